import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { createSigner, generateSigningKey } from '../../common/tokens.ts'
import { freePort } from '../support/free-port.ts'
import { startApp } from '../support/test-app.ts'
import { unpickle } from '../support/unpickle.ts'
import { ZmtpPeer } from '../support/zmtp-peer.ts'

const REXEC = join(import.meta.dirname, '../../bin/rexec.ts')

interface Line {
  msg: string
  clientAddress: string
  serverAddress: string
  admin: { port: number }
}

/** `rexec broker`; `exitCode` resolves when also all that it has written has been read. */
function spawnBroker(t: Test, settings: string) {
  const child = spawn(process.execPath, [REXEC, 'broker', '--settings', settings])
  t.teardown(() => child.kill('SIGKILL'))
  return { child, exitCode: once(child, 'close').then(([code]) => code as number | null) }
}

async function start(t: Test, settings: object = {}) {
  const signer = await createSigner(await generateSigningKey())
  const any = { host: '127.0.0.1', port: 0 }
  const folder = t.testdir({
    'keys.json': JSON.stringify(signer.publicKeys),
    credential: 'secret-of-brokers\n',
    'settings.yaml': JSON.stringify({
      clients: any,
      servers: any,
      admin: any,
      proxy: { url: 'http://127.0.0.1:9', credentialFile: join(t.testdirName, 'credential') },
      publicKeysFile: join(t.testdirName, 'keys.json'),
      ...settings,
    }),
  })
  const { child, exitCode } = spawnBroker(t, join(folder, 'settings.yaml'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async (msg: string): Promise<Line> => {
    for (;;) {
      const { value, done } = await lines.next()
      if (done) throw new Error(`the broker ended before it said: ${msg}`)
      const line = JSON.parse(value)
      if (line.msg === msg) return line
    }
  }
  return { child, exitCode, signer, next, admin: (await next('broker starts')).admin }
}

/** The same, when it listens. */
async function started(t: Test, settings: object = {}) {
  const broker = await start(t, settings)
  return { ...broker, listening: await broker.next('broker listens') }
}

/** A server with room for one call, and a client that has sent one. */
async function call({ signer, listening }: Awaited<ReturnType<typeof started>>) {
  const exec = (await signer.sign('exec', { user: 'alice' }, 60)).token
  const credential = (await signer.sign('server', { user: 'alice', server: 'default' }, 60)).token
  const server = await ZmtpPeer.connect(listening.serverAddress)
  server.send('READY', '1', credential, '{"concurrency":1,"state":"ready"}')
  await server.next()
  const client = await ZmtpPeer.connect(listening.clientAddress)
  client.send('', exec, 'f', 'a')
  return { exec, server, client }
}

t.test('SIGTERM: nobody new, but who is connected is served until nothing is left', async (t) => {
  const broker = await started(t, { settleSeconds: 0.3 })
  const { child, exitCode, next, listening } = broker
  const { exec, server, client } = await call(broker)
  const admin = (path: string) => fetch(`http://127.0.0.1:${listening.admin.port}${path}`)
  const [, id] = await server.texts()
  client.send('other', '', exec, 'f', 'waits')
  t.match(await (await admin('/metrics')).text(), /^rexec_broker_servers 1$/m)
  const ready = await admin('/readyz')
  t.equal(ready.status, 200)
  t.same(await ready.json(), {
    status: 'ready',
    checks: { keys: 'ok', listening: 'ok', proxy: 'unknown', credential: 'unknown' },
  })

  child.kill('SIGTERM')
  await next('broker stops')
  const closing = await admin('/readyz')
  t.equal(closing.status, 503)
  t.match(await closing.json(), { status: 'closing', checks: { listening: 'closing' } })
  t.equal((await admin('/healthz')).status, 200)
  await t.rejects(ZmtpPeer.connect(listening.clientAddress), 'a new client goes elsewhere')

  client.send('new', '', exec, 'f', 'comes while it drains')
  server.send('EVENT', id!, 'final', 'done')
  t.same(await client.texts(), ['', 'done'])
  const [, second] = await server.texts()
  server.send('EVENT', second!, 'final', 'waited')
  t.same(await client.texts(), ['other', '', 'waited'])
  const [, third] = await server.texts()
  server.send('EVENT', third!, 'final', 'came late')
  t.same(await client.texts(), ['new', '', 'came late'])
  t.equal(await exitCode, 0)
  await Promise.all([client.closed, server.closed])
})

t.test('it does not wait for anybody when the last client has gone', async (t) => {
  const broker = await started(t, { settleSeconds: 3600, drainSeconds: 3600 })
  const { server, client } = await call(broker)
  const [, id] = await server.texts()
  broker.child.kill('SIGTERM')
  await broker.next('broker stops')
  server.send('EVENT', id!, 'final', 'done')
  t.same(await client.texts(), ['', 'done'])
  client.close()
  t.equal(await broker.exitCode, 0)
})

t.test('a call that does not end in time is told so', async (t) => {
  const broker = await started(t, { drainSeconds: 0.2 })
  const { child, exitCode } = broker
  const { server, client } = await call(broker)
  await server.next()
  child.kill('SIGTERM')
  const [, payload] = await client.next()
  t.match(await unpickle(payload!), { details: { code: 'broker_stopping' } })
  t.equal(await exitCode, 0)
})

t.test(
  "without a file the keys are the proxy's: it waits for them, and follows when they change",
  async (t) => {
    const [old, next] = [await generateSigningKey(), await generateSigningKey()]
    const before = await createSigner(old)
    const port = await freePort()
    const broker = await start(t, {
      publicKeysFile: undefined,
      proxy: {
        url: `http://127.0.0.1:${port}/services/rexec`,
        credentialFile: join(t.testdirName, 'credential'),
      },
      keys: { pauseSeconds: 0.1 },
    })
    const ready = async () => (await fetch(`http://127.0.0.1:${broker.admin.port}/readyz`)).json()
    await broker.next('the proxy did not give its public keys')
    t.same(await ready(), {
      status: 'not ready',
      checks: { keys: 'unknown', listening: 'starting', proxy: 'unavailable', credential: 'unknown' },
    })
    const first = await startApp(t, { port, signer: before })
    const { clientAddress, serverAddress } = await broker.next('broker listens')
    t.same(await ready(), {
      status: 'ready',
      checks: { keys: 'ok', listening: 'ok', proxy: 'ok', credential: 'unknown' },
    })

    const credential = (await before.sign('server', { user: 'alice', server: 'default' }, 60)).token
    const hello = async () => {
      const server = await ZmtpPeer.connect(serverAddress)
      t.teardown(() => server.close())
      server.send('READY', '1', credential, '{"concurrency":1,"state":"ready"}')
      t.equal((await server.texts())[0], 'WELCOME')
      return server
    }
    const server = await hello()
    const client = await ZmtpPeer.connect(clientAddress)
    t.teardown(() => client.close())
    client.send('', 'a token of the hub', 'f', 'a')
    await client.next()
    t.match(
      await ready(),
      { status: 'ready', checks: { proxy: 'ok', credential: 'refused' } },
      'the proxy has another credential: exec tokens are good all the same',
    )
    await first.app.close()
    const after = await createSigner(next, [old])
    await startApp(t, { port, signer: after })
    client.send('', (await after.sign('exec', { user: 'alice' }, 60)).token, 'f', 'signed with the new key')
    t.equal((await server.texts()).at(-1), 'signed with the new key')
    await hello()
    t.pass('the server of before comes again with what the old key has signed')
    broker.child.kill('SIGKILL')
  },
)

t.test('it can be ended while it waits for keys', async (t) => {
  const { child, exitCode } = await start(t, { publicKeysFile: undefined })
  child.kill('SIGTERM')
  t.equal(await exitCode, 0)
})

t.test('a file without public keys stops the start', async (t) => {
  const path = t.testdir({ 'keys.json': '{"keys":[{"kty":"oct","k":"AAAA","kid":"1"}]}', credential: 'x' })
  const settings = join(path, 'settings.json')
  await writeFile(
    settings,
    JSON.stringify({
      publicKeysFile: join(path, 'keys.json'),
      proxy: { credentialFile: join(path, 'credential') },
    }),
  )
  const { child, exitCode } = spawnBroker(t, settings)
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  t.equal(await exitCode, 1)
  t.match(said, /publicKeysFile: .*keys\.json holds no set of public Ed25519 keys/)
})

t.test('a wrong setting stops the start with its name', async (t) => {
  const path = t.testdir({ 'settings.yaml': 'clients: { prot: 1 }\nqueue: { max: 0 }' })
  const { child, exitCode } = spawnBroker(t, join(path, 'settings.yaml'))
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  t.not(await exitCode, 0)
  t.match(said, 'clients.prot: no such setting')
  t.match(said, 'queue.max')
})
