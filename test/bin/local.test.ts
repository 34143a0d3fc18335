import { spawn } from 'node:child_process'
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { CLIENT, choosePython } from '../../bin/client.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { findMarked, startTime } from '../../proxy/cluster/local/processes.ts'
import { probePython } from '../../proxy/cluster/local/pythons.ts'
import { temporaryFolder } from '../support/local-cluster.ts'
import { type RunningCommand, rexec } from '../support/rexec-command.ts'

interface Service {
  url: string
  broker: { client: string; server: string }
  users: { name: string; token: string }[]
}

const python = await ensureVenv('client', { python: await choosePython(), packages: CLIENT })
const { version } = (await probePython(python, process.env))!
// One folder for all, so that the environment is installed once.
const state = join(await temporaryFolder(t), 'state')
const requirements = join(await temporaryFolder(t), 'requirements.txt')
await writeFile(requirements, `python==${version}\n`)

async function startJson(t: Test): Promise<{ command: RunningCommand; service: Service }> {
  const command = rexec(t, ['local', '--state', state, '--port', '0', '--broker-port', '0', '--json'])
  return { command, service: JSON.parse(await command.firstLine) }
}

/** Runs test/bin/user.py until its call runs; resolves with the ids of the function, its subprocess and its daemon. */
async function runUser(t: Test, { url, broker, users }: Service): Promise<number[]> {
  const child = spawn(python, [join(import.meta.dirname, 'user.py')], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      URL: url,
      BROKER: broker.client.replace('tcp://', ''),
      TOKEN: users[0]!.token,
      REQUIREMENTS: requirements,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, ...pids] = line.split(' ')
    if (word === 'running') return pids.map(Number)
  }
  throw new Error("the user's program ended before its call ran")
}

/** Local addresses on which a process listens, as /proc/net has them: hexadecimal, with the port. */
async function listeners(pid: number): Promise<string[]> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  )
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8')))
  return tables
    .flatMap((table) => table.trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , status, , , , , , inode]) => status === '0A' && links.includes(`socket:[${inode}]`))
    .map(([, address]) => address!)
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // The end of another one has ended it.
  }
}

async function isGone(pid: number): Promise<boolean> {
  return (await startTime(pid)) === undefined
}

t.test('--json prints one line that says where everything is', async (t) => {
  const { command, service } = await startJson(t)
  t.same(Object.keys(service), ['url', 'broker', 'users'])
  t.match(service, {
    url: /^http:\/\/127\.0\.0\.1:\d+\/services\/rexec$/,
    broker: { client: /^tcp:\/\/127\.0\.0\.1:\d+$/, server: /^tcp:\/\/127\.0\.0\.1:\d+$/ },
    users: [
      { name: 'alice', token: /^[\w-]{32}$/ },
      { name: 'bob', token: /^[\w-]{32}$/ },
    ],
  })
  for (const { name, token } of service.users) {
    const answer = await fetch(`${service.url}/api/v1/user`, {
      headers: { authorization: `Bearer ${token}` },
    })
    t.match(await answer.json(), { name })
  }

  const addresses = await listeners(command.child.pid!)
  t.equal(addresses.length, 3)
  for (const address of addresses) t.match(address, /^0100007F:/, 'loopback only')

  await t.test('a second one on the same folder is refused', async (t) => {
    const second = await rexec(t, ['local', '--state', state, '--port', '0', '--broker-port', '0']).ended
    t.match(second, { code: 1, stdout: '', stderr: /in use by another rexec \(process \d+\)/ })
  })

  await t.test('a port that is taken is named', async (t) => {
    const other = await temporaryFolder(t)
    const { port } = new URL(service.url)
    const taken = ['local', '--state', other, '--broker-port', '0', '--port', port]
    t.match(await rexec(t, taken).ended, { code: 1, stderr: `Port ${port} is taken.` })
    const brokerPort = new URL(service.broker.client).port
    const brokerTaken = ['local', '--state', other, '--port', '0', '--broker-port', brokerPort]
    t.match(await rexec(t, brokerTaken).ended, { code: 1, stderr: /is taken.*--broker-port 0/ })
  })

  command.child.kill('SIGTERM')
  const { code, stdout, stderr } = await command.ended
  t.equal(code, 0)
  t.equal(stdout.split('\n').length, 2, 'exactly one line')
  t.match(stderr, /no isolation/)
  const log = await readFile(join(state, 'rexec.log'), 'utf8')
  for (const { token } of service.users) t.notMatch(log + stderr, token, 'no token in a log')
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} ends every child, and does not wait for the end of a call`, async (t) => {
    const { command, service } = await startJson(t)
    const pids = await runUser(t, service)
    const marked = await findMarked(state)
    for (const pid of pids) t.ok(marked.includes(pid), `${pid} runs`)
    command.child.kill(signal)
    t.match(await command.ended, { code: 0 })
    for (const pid of marked) t.ok(await isGone(pid), `${pid} is gone`)
    t.same(await findMarked(state), [])
  })
}

t.test('agents, workers and functions end by themselves when the service is killed', async (t) => {
  const { command, service } = await startJson(t)
  const [, , daemon] = await runUser(t, service)
  command.child.kill('SIGKILL')
  await command.ended
  // No event tells of the end of another process' children.
  while ((await findMarked(state)).some((pid) => pid !== daemon)) await sleep(50)
  t.pass('at most the daemon is left')
})

t.test('what a kill -9 of everything leaves is cleaned up by the next start', async (t) => {
  const { command, service } = await startJson(t)
  const [, , daemon] = await runUser(t, service)
  const all = [command.child.pid!, ...(await findMarked(state))].filter((pid) => pid !== daemon)
  // Stopped first, so that none of them can clean up after another.
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of all) kill(pid, signal)
  await command.ended
  t.notOk(await isGone(daemon!), 'a daemon outlives its server')

  const next = await startJson(t)
  t.ok(await isGone(daemon!), 'it is gone')
  t.same(next.service.users, service.users, 'tokens are kept')
  const answer = await fetch(`${next.service.url}/api/v1/servers`, {
    headers: { authorization: `Bearer ${service.users[0]!.token}` },
  })
  t.match(await answer.json(), { servers: [] })
  next.command.child.kill('SIGTERM')
  await next.command.ended
})

t.test('for a person it prints lines that work when they are pasted into Python', async (t) => {
  const { child, output, ended } = rexec(t, ['local', '--state', state, '--port', '0', '--broker-port', '0'])
  await new Promise<void>((resolve) => {
    child.stdout!.on('data', () => output.stdout.includes('Ctrl-C ends') && resolve())
  })
  t.match(output.stdout, /NO ISOLATION/)
  const lines = output.stdout.split('\n')
  const from = lines.findIndex((line) => line.startsWith('import sys'))
  const program = [...lines.slice(from, from + 3), 'print(remote_func(lambda: 6 * 7)())'].join('\n')
  const user = spawn(python, ['-c', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => user.kill('SIGKILL'))
  t.match((await user.stdout.toArray()).join(''), /^42$/m)
  child.kill('SIGINT')
  t.match(await ended, { code: 0 })
})

t.test('without a Python it says what to install', async (t) => {
  const home = await temporaryFolder(t)
  const nothing = { PATH: home, HOME: home, PYENV_ROOT: undefined }
  t.match(await rexec(t, ['local', '--state', join(home, 'state'), '--port', '0'], nothing).ended, {
    code: 1,
    stderr: /^rexec: No usable Python was found\. Install Python 3\.9 or newer/,
  })
})
