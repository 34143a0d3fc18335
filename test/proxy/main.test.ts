import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test as Tap } from 'tap'
import { generateSigningKey } from '../../common/tokens.ts'
import { apiServerMissing, startApiServer } from '../cluster/api-server.ts'
import { BROKER } from '../support/test-app.ts'

const rexec = join(import.meta.dirname, '../../bin/rexec.ts')
const TOKEN = 'alice-token-0123456789'

/** A folder with settings and secrets, as an admin would write them. */
async function prepare(folder: string, more = '', cluster?: object) {
  const file = (name: string) => join(folder, name)
  await writeFile(file('key.json'), JSON.stringify(await generateSigningKey()))
  await writeFile(file('credential'), `${BROKER}\n`)
  await writeFile(file('users.json'), JSON.stringify([{ name: 'alice', token: TOKEN }]))
  await writeFile(
    file('proxy.yaml'),
    `port: 0
metrics: { port: 0 }
cluster: ${JSON.stringify(cluster ?? { stateFolder: file('state') })}
broker: { clientAddress: "tcp://127.0.0.1:5559", serverAddresses: ["tcp://127.0.0.1:5560"] }
identity: { authenticators: [static], static: {} }
${more}`,
  )
  return {
    settings: file('proxy.yaml'),
    env: {
      PATH: process.env.PATH,
      REXEC_SIGNING_KEY_FILE: file('key.json'),
      REXEC_BROKER_CREDENTIAL_FILE: file('credential'),
      REXEC_STATIC_USERS_FILE: file('users.json'),
    } as Record<string, string | undefined>,
  }
}

function start(t: Tap, { settings, env }: Awaited<ReturnType<typeof prepare>>) {
  const child = spawn(process.execPath, [rexec, 'proxy', '--settings', settings], { env })
  t.teardown(() => child.kill('SIGKILL'))
  const errors: string[] = []
  child.stderr.on('data', (chunk) => errors.push(String(chunk)))
  return { child, errors, ended: once(child, 'close') as Promise<[number | null]> }
}

async function untilListening(child: ChildProcess): Promise<{ url: string; lines: string[] }> {
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line)
    const { msg, url } = JSON.parse(line)
    if (msg === 'listening') {
      child.stdout!.resume()
      return { url, lines }
    }
  }
  throw new Error('it ended before it listened')
}

t.test('rexec proxy serves, with its secrets from files, until SIGTERM', async (t) => {
  const { child, errors, ended } = start(t, await prepare(t.testdir()))
  const { url, lines } = await untilListening(child)
  const ready = await fetch(`${url}/readyz`)
  t.match(await ready.json(), { status: 'ready' })
  const user = await fetch(`${url}/api/v1/user`, { headers: { authorization: `Bearer ${TOKEN}` } })
  t.match(await user.json(), { name: 'alice' })
  t.notMatch(lines.join(), TOKEN)
  t.notMatch(lines.join(), BROKER)
  child.kill('SIGTERM')
  const [code] = await ended
  t.equal(code, 0)
  t.same(errors, [])
})

t.test('what is missing or wrong is said in a sentence that gives no secret away', async (t) => {
  const cases: [
    string,
    (env: Record<string, string | undefined>, folder: string) => Promise<void> | void,
    RegExp,
  ][] = [
    ['no key', (env) => void delete env.REXEC_SIGNING_KEY_FILE, /REXEC_SIGNING_KEY_FILE: required/],
    ['no credential', (env) => void delete env.REXEC_BROKER_CREDENTIAL_FILE, /broker\.credential: required/],
    [
      'a file that is not there',
      (env) => {
        env.REXEC_SIGNING_KEY_FILE = '/nowhere'
      },
      /\/nowhere: cannot be read \(ENOENT\)/,
    ],
    [
      'a key that is no JSON',
      (_env, folder) => writeFile(join(folder, 'key.json'), 's3cret'),
      /REXEC_SIGNING_KEY: must hold a private Ed25519 key/,
    ],
    [
      'a public key',
      (_env, folder) => writeFile(join(folder, 'key.json'), '{"kty":"OKP","crv":"Ed25519","x":"s3cret"}'),
      /private Ed25519/,
    ],
  ]
  for (const [what, spoil, message] of cases) {
    const folder = t.testdir()
    const prepared = await prepare(folder)
    await spoil(prepared.env, folder)
    const { errors, ended } = start(t, prepared)
    const [code] = await ended
    t.equal(code, 1, what)
    t.match(errors.join(''), message)
    t.notMatch(errors.join(''), 's3cret')
  }
})

t.test('SIGTERM: it says that it closes, and serves on for shutdownDelaySeconds', async (t) => {
  const { child, ended } = start(t, await prepare(t.testdir(), 'shutdownDelaySeconds: 5'))
  const { url } = await untilListening(child)
  const told = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  child.kill('SIGTERM')
  for (let line = ''; !line.includes('closing: no longer ready'); ) line = (await told.next()).value ?? ''
  const [ready, health, user] = await Promise.all([
    fetch(`${url}/readyz`),
    fetch(`${url}/healthz`),
    fetch(`${url}/api/v1/user`, { headers: { authorization: `Bearer ${TOKEN}` } }),
  ])
  t.equal(ready.status, 503)
  t.same(await ready.json(), { status: 'closing', checks: {} })
  t.equal(health.status, 200)
  t.match(await user.json(), { name: 'alice' })
  t.equal(user.headers.get('connection'), 'close', 'whoever keeps connections looks for another proxy')
  const [code] = await ended
  t.equal(code, 0)
})

t.test('SIGTERM does not wait for a request longer than shutdownSeconds', async (t) => {
  const { child, ended } = start(t, await prepare(t.testdir(), 'shutdownSeconds: 1'))
  const { url } = await untilListening(child)
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  const head =
    'POST /services/rexec/spawn HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded'
  socket.write(`${head}\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1.1 100 /)
  child.kill('SIGTERM')
  const [code] = await ended
  t.equal(code, 0)
})

t.test(
  'on Kubernetes, with the API server away at the start',
  { skip: await apiServerMissing() },
  async (t) => {
    const server = await startApiServer(t)
    await server.stopApi()
    const cluster = {
      kind: 'kubernetes',
      kubernetes: { kubeconfig: server.kubeconfig, requireConfinement: false },
    }
    const { child, errors, ended } = start(t, await prepare(t.testdir(), '', cluster))
    const { url } = await untilListening(child)
    const ask = (path: string, body?: object) =>
      fetch(url + path, {
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      })
    t.equal((await ask('/healthz')).status, 200, 'it stays up')
    const away = await ask('/readyz')
    t.equal(away.status, 503)
    t.match(await (await ask('/api/v1/servers', { python: '3.12' })).json(), { code: 'cluster_unavailable' })
    await server.startApi()
    while ((await ask('/readyz')).status !== 200) await new Promise((resolve) => setTimeout(resolve, 50))
    const started = await ask('/api/v1/servers', { python: '3.12' })
    t.equal(started.status, 201)
    t.match(await started.json(), { server: { user: 'alice', phase: 'pending' } })
    t.match(await (await ask('/api/v1/servers')).json(), { servers: [{ name: 'default' }] })
    child.kill('SIGTERM')
    const [code] = await ended
    t.equal(code, 0)
    t.same(errors, [])
    t.match(
      await server.kubectl('get', 'jobs', '-A', '-o', 'name'),
      'rexec-default',
      'servers go on without a proxy',
    )
  },
)

t.test('a cluster that makes no sense', async (t) => {
  const kubeconfig = join(t.testdir(), 'none')
  for (const [kubernetes, message] of [
    [{ kubeconfig, namespaces: { mode: 'given' } }, /namespaces.given: mode given needs a namespace/],
    [{ kubeconfig }, /cluster.kubernetes.kubeconfig: ENOENT/],
  ] as const) {
    const { errors, ended } = start(t, await prepare(t.testdir(), '', { kind: 'kubernetes', kubernetes }))
    const [code] = await ended
    t.equal(code, 1)
    t.match(errors.join(''), message)
  }
})
