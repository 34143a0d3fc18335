import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { findProcesses } from '../../support/processes.ts'
import { footprint, leftOf } from './footprint.ts'
import { nodeClusterMissing, prepareNodeCluster, startNodeCluster } from './node.ts'

/** Settings of the whole machine that programs of a cluster are known to change. */
const SETTINGS = [
  'kernel/timer_migration',
  'kernel/unprivileged_bpf_disabled',
  'kernel/panic',
  'vm/overcommit_memory',
]

const missing = process.env.REXEC_TEST_KUBECONFIG
  ? 'REXEC_TEST_KUBECONFIG is not ours to end'
  : await nodeClusterMissing()
if (missing) {
  t.plan(0, missing)
  process.exit()
}
await prepareNodeCluster({}, (line) => t.comment(line))

t.test('two run at the same time; kill -9 of one takes all of it away and leaves the other', async (t) => {
  const settings = await machineSettings()
  const [own, other] = await Promise.all([startNodeCluster(t), startCommand(t)])
  const folder = dirname(own.kubeconfig)
  t.not(folder, other.folder)
  const [before, beforeOther] = await Promise.all([footprint(folder), footprint(other.folder)])
  for (const { processes, namespaces, interfaces, routes, cgroups, files, mounts } of [before, beforeOther]) {
    t.ok(processes!.length > 10, `${processes!.length} processes`)
    t.ok(namespaces!.length > 5, `${namespaces!.length} namespaces`)
    t.same(
      [interfaces, files, mounts].map((found) => found!.length),
      [1, 1, 0],
    )
    t.ok(routes!.length > 1 && cgroups!.length > 5)
  }
  t.same(await machineSettings(), settings, "the machine's settings are what they were")

  other.child.kill('SIGKILL')
  await once(other.child, 'close')
  await slotIsFree(other.folder)
  t.same(await leftOf(beforeOther, other.folder), {}, 'nothing is left after kill -9')
  t.match(await own.kubectl('get', 'nodes', '--output=name'), 'node1', 'the other one goes on')

  await own.stop()
  t.same(await leftOf(before, folder), {}, 'nothing is left after stop()')
})

t.test('Ctrl-C ends what `npm run cluster` has started', async (t) => {
  const { child, folder } = await startCommand(t)
  const before = await footprint(folder)
  child.kill('SIGINT')
  t.same(await once(child, 'close'), [0, null])
  t.same(await leftOf(before, folder), {})
})

t.test('what is left when even the one that clears up is killed goes at the next start', async (t) => {
  const { child, folder } = await startCommand(t)
  const before = await footprint(folder)
  const keepers = (await findProcesses([folder])).filter(({ command }) => command.includes('machine.sh'))
  t.equal(keepers.length, 1)
  process.kill(keepers[0]!.pid, 'SIGKILL')
  child.kill('SIGKILL')
  await once(child, 'close')
  await slotIsFree(folder)
  const next = await startNodeCluster(t)
  await next.stop()
  t.same(await leftOf(before, folder), {})
})

/** `npm run cluster`. @returns the folder of all its files, too */
async function startCommand(t: Test) {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const kubeconfig = new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const path = /KUBECONFIG=(.*)/.exec(line)?.[1]
      if (path) resolve(path)
    })
    lines.on('close', () => reject(new Error('no cluster was started')))
  })
  return { child, folder: dirname(await kubeconfig) }
}

/** Who clears up holds the slot's socket until all is done, and then the kernel tells those who are connected. */
async function slotIsFree(folder: string): Promise<void> {
  const socket = connect(`\0${basename(folder)}`)
  await new Promise((resolve) => socket.on('error', resolve).on('close', resolve).resume())
}

function machineSettings(): Promise<string[]> {
  return Promise.all(SETTINGS.map((name) => readFile(join('/proc/sys', name), 'utf8')))
}
