import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { startTime } from '../../proxy/cluster/local/processes.ts'
import { transcribe } from '../support/transcript.ts'

/** Whether each part of the bench works, with tiny counts: how fast anything is, no test asks. */
const bench = join(import.meta.dirname, '..', '..', 'bench')
const node = (script: string, ...args: string[]) =>
  promisify(execFile)(process.execPath, [join(bench, script), ...args])
const noProc = !existsSync('/proc/self/task') && 'needs /proc'
const skip = spawnSync('cc', ['--version']).error && 'needs a C compiler (Debian: apt install gcc libc6-dev)'

t.test('the broker half gives figures of every size and peer', { skip }, async (t) => {
  const { stdout } = await node(
    'run.ts',
    '--quick',
    '--only',
    'broker',
    '--peers',
    '--json',
    '--results',
    t.testdir(),
  )
  const { facts, broker, stack } = JSON.parse(stdout)
  t.match(facts, { commit: String, node: process.version, cores: Number })
  t.match(broker.libzmq, /^4\./)
  t.equal(broker.cases.length, 6)
  for (const each of broker.cases) {
    t.same(Object.keys(each.peers), ['zmq_proxy', 'rexec', 'zeromq.js', 'pyzmq'])
    for (const { median } of Object.values<{ median: number }>(each.peers)) t.ok(median > 0)
    t.ok(each.ratio.median > 0)
  }
  t.notOk(stack)
})

t.test('the stack half gives figures of the unmodified client', async (t) => {
  const { stdout } = await node('run.ts', '--quick', '--only', 'stack', '--json', '--results', t.testdir())
  const { stack } = JSON.parse(stdout)
  for (const pace of ['paused', 'back to back']) {
    t.ok(stack.latency[pace].hop.median.median > 0)
    t.ok(stack.latency[pace].rexec.median.median > 0)
  }
  t.same(
    stack.throughput.map(({ threads }: { threads: number }) => threads),
    [1, 4, 20, 1],
  )
})

t.test('the profile says where the time of the broker goes', { skip }, async (t) => {
  const { stdout } = await node('profile.ts', '1024', '--seconds', '0.5', '--results', t.testdir())
  t.match(stdout, /\| ours +\|/)
  t.match(stdout, /broker\/zmtp\/parser\.ts/)
})

t.test('a bench that is ended ends what it has started', { skip: skip || noProc }, async (t) => {
  const child = spawn(process.execPath, [join(bench, 'run.ts'), '--only', 'broker', '--results', t.testdir()])
  const below = () =>
    readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number)
  await transcribe(child.stderr).until(/^broker, 64 B/m) // then all peers run
  const started = below()
  t.ok(started.length >= 2)
  child.kill()
  t.same(await once(child, 'close'), [null, 'SIGTERM'])
  await Promise.all(started.map(waitUntilGone))
})

/** Another process' child: its end can only be looked for. It may stay a zombie. */
async function waitUntilGone(pid: number): Promise<void> {
  while ((await startTime(pid)) !== undefined) await pause(20)
}

t.test('a wrong option is answered with a sentence', async (t) => {
  const complaint = async (script: string, ...args: string[]) => {
    const { code, stderr } = await node(script, ...args).catch((error) => error)
    t.equal(code, 2)
    return stderr
  }
  t.equal(await complaint('run.ts', '--only', 'proxy'), '--only takes one of: broker, stack.\n')
  t.match(await complaint('profile.ts', '5'), /^Give the bytes of the arguments, one of: 64, 1024, /)
})
