import { setTimeout as pause } from 'node:timers/promises'
import { figure, table } from '../table.ts'
import { addFakeNode } from './fake-node.ts'
import type { Kube } from './kube.ts'
import { inFlight } from './load.ts'
import { populate, populationServer, populationUser, type Size } from './population.ts'
import type { RexecProxy } from './rexec.ts'
import { percentiles } from './submits.ts'

const MIB = 2 ** 20
/** Users who ask, each known to the identity cache when it counts. */
const ASKING = 100
/** Milliseconds in which what was made must be known, and between two looks. */
const SEEN_MS = 30_000
const LOOK_AGAIN = 100

/** MiB of the proxy's process, after a collection of garbage. */
interface MemoryMiB {
  rss: number
  heap: number
}

export interface ScaleResult extends Size {
  populated: { objects: number; seconds: number }
  /** From the start of the process until /readyz, which is when everything has been listed. */
  readySeconds: { empty: number; full: number }
  /** `watching` has seen everything come, `restarted` has listed it. */
  memoryMiB: { before: MemoryMiB; watching: MemoryMiB; restarted: MemoryMiB }
  /** Milliseconds, one at a time, and all calls to Kubernetes that they made. */
  gets: Record<'list' | 'one', { p50: number; p99: number; perSecondOf16: number; kubernetesCalls: number }>
  /** POST /servers in the midst of all others, milliseconds. */
  submit: { p50: number; p99: number }
}

interface Options {
  size: Size
  gets: number
  say(text: string): void
}

/** Fills the cluster and measures a proxy that watches, and one that starts then. */
export async function measureScale(
  kube: Kube,
  start: () => Promise<RexecProxy>,
  options: Options,
): Promise<ScaleResult> {
  const node = await addFakeNode(kube)
  try {
    return await measure(kube, start, options)
  } finally {
    node.close()
  }
}

async function measure(
  kube: Kube,
  start: () => Promise<RexecProxy>,
  { size, gets, say }: Options,
): Promise<ScaleResult> {
  const first = await start()
  let before: MemoryMiB, watching: MemoryMiB, populated: { objects: number; seconds: number }
  try {
    before = await memoryOf(first)
    say(`scale: making ${size.users} namespaces with ${size.serversPerUser} servers each`)
    populated = await populate(kube, first, size)
    await untilSeen(first, size)
    watching = await memoryOf(first)
  } finally {
    await first.close()
  }
  say('scale: asking')
  const second = await start()
  try {
    await untilSeen(second, size)
    const restarted = await memoryOf(second)
    return {
      ...size,
      populated,
      readySeconds: { empty: first.readySeconds, full: second.readySeconds },
      memoryMiB: { before, watching, restarted },
      gets: {
        list: await measureGets(second, size, gets, () => '/servers'),
        one: await measureGets(second, size, gets, (index) => `/servers/${serverOf(index, size)}`),
      },
      submit: await measureSubmit(second, size),
    }
  } finally {
    await second.close()
  }
}

const userOf = (index: number, { users }: Size) => populationUser(index % Math.min(users, ASKING))
const serverOf = (index: number, { serversPerUser }: Size) => populationServer(index % serversPerUser)

async function memoryOf(proxy: RexecProxy): Promise<MemoryMiB> {
  const { memory } = await proxy.memory()
  return { rss: memory.rss / MIB, heap: memory.heapUsed / MIB }
}

/** Resolves when the last thing that was made is known. @throws Error when a server is not shown as it is */
async function untilSeen(proxy: RexecProxy, { users, serversPerUser }: Size): Promise<void> {
  const last = populationUser(users - 1)
  let shown: { phase: string; message: string }[] = []
  for (const deadline = performance.now() + SEEN_MS; performance.now() < deadline; await pause(LOOK_AGAIN)) {
    shown = JSON.parse((await proxy.get(last, '/servers')).text).servers
    if (shown.length === serversPerUser && shown.every(({ phase }) => phase === 'ready')) return
  }
  const states = shown.map(({ phase, message }) => `${phase} (${message})`).join(', ')
  throw new Error(`The servers of ${last} are not shown as ready: ${states || 'none'}`)
}

async function measureGets(
  proxy: RexecProxy,
  size: Size,
  count: number,
  pathOf: (index: number) => string,
): Promise<ScaleResult['gets']['list']> {
  const get = (index: number) => proxy.get(userOf(index, size), pathOf(index))
  await inFlight(16, Math.max(ASKING, count / 4), get) // tokens are remembered, code is compiled
  const before = await proxy.memory()
  const alone = await inFlight(1, count, get)
  const together = await inFlight(16, count, get)
  const after = await proxy.memory()
  const all = [...alone.results, ...together.results]
  return {
    ...percentiles(alone.results.map(({ total }) => total)),
    perSecondOf16: count / together.seconds,
    // Those that it caused, or all of the process if those are none: nothing is asked behind the answer either.
    kubernetesCalls:
      all.reduce((sum, { kubernetesCalls }) => sum + kubernetesCalls, 0) ||
      after.kubernetesCalls - before.kubernetesCalls,
  }
}

async function measureSubmit(proxy: RexecProxy, size: Size): Promise<{ p50: number; p99: number }> {
  const { results } = await inFlight(1, 50, (index) => proxy.submit(userOf(index % 10, size)))
  // The first of each user finds a namespace without what rexec puts into it.
  return percentiles(results.slice(10).map(({ total }) => total))
}

export function scaleTable(result: ScaleResult): string {
  const { users, serversPerUser, readySeconds, memoryMiB, gets, submit, populated } = result
  const mib = ({ rss, heap }: MemoryMiB) => `${figure(rss)} MiB, heap ${figure(heap)} MiB`
  const asked = ({ p50, p99, perSecondOf16, kubernetesCalls }: ScaleResult['gets']['list']) =>
    `p50 ${figure(p50)} ms, p99 ${figure(p99)} ms, ${figure(perSecondOf16)}/s at 16, ${kubernetesCalls} calls to Kubernetes`
  const title = `${figure(users)} users, ${users * serversPerUser} servers (${figure(populated.objects)} objects)`
  return table(
    [title, 'is'],
    [
      ['memory before', mib(memoryMiB.before)],
      ['memory after watching them come', mib(memoryMiB.watching)],
      ['memory after a restart', mib(memoryMiB.restarted)],
      ['ready after, empty cluster', `${figure(readySeconds.empty)} s`],
      ['ready after, full cluster', `${figure(readySeconds.full)} s`],
      ['GET /servers', asked(gets.list)],
      ['GET /servers/{name}', asked(gets.one)],
      ['POST /servers', `p50 ${figure(submit.p50)} ms, p99 ${figure(submit.p99)} ms`],
    ],
  )
}
