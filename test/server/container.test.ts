import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { AgentSettings } from '../../common/agent-settings.ts'
import { workerCommand } from '../../common/worker-command.ts'
import {
  containerMissing,
  controlGroup,
  controlGroupsMissing,
  firstProcess,
  inContainer,
  removeControlGroup,
} from '../support/container.ts'
import { type Outcome, ServerCalls } from '../support/server-calls.ts'
import { startServer } from '../support/start-server.ts'
import { digestOf, sharedEnvironments } from '../support/test-server.ts'

const noContainer = containerMissing() ?? false
const noGroups = noContainer || (controlGroupsMissing() ?? false)

interface Contained {
  settings?: Partial<AgentSettings>
  memory?: string
  pids?: string
}

/** Where a worker in a container may write: HOME with its environments, temporary files, the socket's folder. */
async function options(t: Test, { settings = {}, memory, pids }: Contained = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-c-')) // short, for the socket
  t.teardown(() => rm(folder, { recursive: true }))
  const [home, tmp, run] = ['home', 'tmp', 'run'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [home, tmp, run]) await mkdir(each)
  return {
    settings: { sidecar: true, socket: join(run, 'agent.sock'), ...settings },
    env: { HOME: home, TMPDIR: tmp },
    workerPrefix: inContainer({
      writable: [home, tmp, run, sharedEnvironments],
      ...(memory ? { memory } : {}),
      ...(pids ? { pids } : {}),
    }),
  }
}

async function start(t: Test, contained: Contained = {}): Promise<ServerCalls> {
  const server = await ServerCalls.start(await options(t, contained))
  t.teardown(() => server.close())
  return server
}

/** Settings for an environment of its own, below HOME. */
const fresh = (home: string, requirement: string) => ({
  environmentsFolder: join(home, 'environments'),
  environmentDigest: digestOf(home),
  requirements: [requirement],
})

t.test('a worker as the first process of a container', { skip: noContainer }, async (t) => {
  const server = await start(t)

  t.test('has no rights, and the parent of all is process 1', async (t) => {
    const { result, error } = await server.run(
      `
def f():
    import os
    status = open("/proc/self/status").read()
    try:
        open("/etc/rexec-test", "w")
    except OSError as error:
        refused = error.strerror
    return [os.getppid(), status.split("CapEff:")[1].split()[0], refused, open("/proc/self/oom_score_adj").read()]
`,
    )
    t.equal(error, undefined)
    t.strictSame(result, [1, '0000000000000000', 'Read-only file system', '1000\n'])
  })

  t.test('takes in orphans: none stays, alive or as a zombie', async (t) => {
    await server.run(`
def f():
    import os, time
    for _ in range(5):
        if os.fork() == 0:
            os.setsid()
            for i in range(3):
                if os.fork() == 0:
                    time.sleep(0.01 if i else 1000)
                    os._exit(0)
            os._exit(0)
`)
    const states = `
def f():
    import os
    states = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            states.append(open("/proc/%s/stat" % pid).read().rpartition(") ")[2][0])
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended since it was listed
    return states
`
    // The parent, four that wait, this call, and one more where a call has just ended.
    for (let left = ['Z']; left.length > 7 || left.includes('Z'); )
      left = (await server.run(states)).result as string[]
    t.pass()
  })

  t.test('SIGKILL, SIGSTOP and SIGINT from a function do nothing to it', async (t) => {
    await server.run('def f():\n  import os\n  for number in (9, 19, 2): os.kill(1, number)')
    t.equal((await server.run('def f(): return "the server goes on"')).result, 'the server goes on')
  })

  t.test('SIGTERM ends it in order, with exit code 0', async (t) => {
    process.kill(firstProcess(server.server.worker!.pid!), 'SIGTERM')
    t.strictSame(await server.server.workerEnded, [0, null])
  })
})

t.test('SIGTERM while it waits for its agent ends it', { skip: noContainer }, async (t) => {
  const { env, workerPrefix } = await options(t)
  const [command, ...args] = [...workerPrefix, ...workerCommand('python3', '/nowhere/agent.sock')]
  const worker = spawn(command!, args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  const exited = once(worker, 'exit')
  const catches = async () => {
    const status = await readFile(`/proc/${firstProcess(worker.pid!)}/status`, 'utf8')
    return (Number.parseInt(/SigCgt:\s*(\w+)/.exec(status)?.[1] ?? '0', 16) & (1 << 14)) !== 0
  }
  while (!(await catches().catch(() => false))) await pause(20) // a first process has no signals before it has handlers
  process.kill(firstProcess(worker.pid!), 'SIGTERM')
  t.strictSame(await exited, [143, null])
})

t.test('SIGTERM while it installs ends it in order', { skip: noContainer }, async (t) => {
  const { env, settings, ...rest } = await options(t)
  const { server } = await startServer(t, {
    ...rest,
    env,
    settings: { ...settings, ...fresh(env.HOME, 'numpy==1.26.4') },
  })
  await server.said(({ message }) => message.startsWith('Installing'))
  process.kill(firstProcess(server.worker!.pid!), 'SIGTERM')
  t.strictSame(await server.workerEnded, [0, null])
})

t.test('it installs with a read-only root', { skip: noContainer }, async (t) => {
  const { env, settings, ...rest } = await options(t)
  const server = await ServerCalls.start({
    ...rest,
    env,
    settings: { ...settings, ...fresh(env.HOME, 'iniconfig==2.0.0') },
  })
  t.teardown(() => server.close())
  t.equal((await server.run('def f():\n  import iniconfig\n  return iniconfig.__name__')).result, 'iniconfig')
  t.strictSame(await readdir(env.TMPDIR), [], 'temporary files are gone')
})

t.test('a function that uses more memory than the container has', { skip: noGroups }, async (t) => {
  const limit = { 'memory.limit_in_bytes': String(256 * 1024 ** 2) }
  const memory = controlGroup('memory', limit)
  t.teardown(() => removeControlGroup(memory))
  const server = await start(t, { memory })
  const slow = server.run('def f():\n  import time\n  time.sleep(2)\n  return "unharmed"')
  const { error } = await server.run('def f(): return len(bytearray(b"x") * 1024 ** 3)')
  t.match(error?.message, /out of memory \(limit 256 MiB\).*\[out_of_memory\]/)
  t.equal((await slow).result, 'unharmed', 'the kernel takes the one that is too large')
  const killed = await server.run('def f():\n  import os, time\n  time.sleep(1.1)\n  os.kill(os.getpid(), 9)')
  t.match(killed.error?.message, /killed by SIGKILL.*\[worker_died\]/, 'not every SIGKILL is for memory')
})

t.test('the same without a container’s view of its control group', { skip: noGroups }, async (t) => {
  const memory = controlGroup('memory', { 'memory.limit_in_bytes': String(200 * 1024 ** 2) })
  t.teardown(() => removeControlGroup(memory))
  const workerPrefix = ['sh', '-c', `echo 0 > ${memory}/cgroup.procs && exec "$@"`, 'sh']
  const server = await ServerCalls.start({ workerPrefix })
  t.teardown(() => server.close())
  const { error } = await server.run('def f(): return len(bytearray(b"x") * 1024 ** 3)')
  t.match(error?.message, /out of memory \(limit 200 MiB\).*\[out_of_memory\]/)
})

t.test('a function that forks without end', { skip: noGroups }, async (t) => {
  const pids = controlGroup('pids', { 'pids.max': '30' })
  t.teardown(() => removeControlGroup(pids))
  const server = await start(t, { pids, settings: { prefork: 1 } })
  const bomb = server.run(
    `
def f():
    import os, time
    full = False
    while True:
        try:
            if os.fork() == 0: time.sleep(1000)
        except OSError:
            if not full: print("full")
            full = True
            time.sleep(0.005)  # what becomes free is taken again
`,
    '()',
    { id: 'bomb', onEvent: () => resolve() },
  )
  let resolve = () => {}
  await new Promise<void>((done) => {
    resolve = done
  })
  let error: Outcome['error']
  // The first ones may still find a process that is ready, or the place of one that has ended.
  while (!error) ({ error } = await server.run('def f(): return 1'))
  t.match(error.message, /as many processes and threads run as may \(limit 30\).*\[process_limit\]/)
  await server.broker.send('CANCEL', 'bomb', 'enough')
  t.match((await bomb).end, { cancelled: true })
  for (let result: unknown; result !== 1; ) result = (await server.run('def f(): return 1')).result
})
