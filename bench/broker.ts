import { type Child, startChild } from './child.ts'
import { buildNative, type Native } from './native.ts'
import { makeSecrets, type Peer, startPyzmq, startRexec, startZeromqJs, startZmqProxy } from './peers.ts'
import { alternate, ratio, type Summary, summarize } from './rounds.ts'
import { bytes, figure, table } from './table.ts'
import { usage } from './usage.ts'

/** One size of arguments: how much is on its way at once and how often. */
export interface Case {
  bytes: number
  window: number
  calls: number
  warmUp: number
  /** The ratio to zmq_proxy to reach on quiet cores; for a latency at most this, else at least. */
  aim: number
  latency?: boolean
}

/** Counts that make a round last about a second. */
export const CASES: Case[] = [
  { bytes: 64, window: 1, calls: 5000, warmUp: 500, aim: 0.6, latency: true },
  { bytes: 64, window: 128, calls: 150_000, warmUp: 5000, aim: 0.75 },
  { bytes: 1024, window: 128, calls: 100_000, warmUp: 5000, aim: 1 },
  { bytes: 64 * 1024, window: 32, calls: 12_000, warmUp: 500, aim: 1 },
  { bytes: 1024 * 1024, window: 8, calls: 1000, warmUp: 50, aim: 0.9 },
  { bytes: 100 * 1024 * 1024, window: 2, calls: 6, warmUp: 1, aim: 1.3 },
]

export const QUICK_CASES: Case[] = CASES.map((each) => ({
  ...each,
  calls: Math.max(2, Math.floor(each.calls / 100)),
  warmUp: Math.floor(each.warmUp / 100),
}))

/** Figures of one case: calls per second (latency: microseconds) of each peer. */
export interface CaseResult extends Case {
  peers: Record<string, Summary & { cpuMicrosecondsPerCall?: number }>
  /** rexec to zmq_proxy. */
  ratio: Summary
}

export interface BrokerResult {
  /** The version that zmq_proxy and the load run on. */
  libzmq: string
  cases: CaseResult[]
  /** Memory that each broker took at most, largest frames included. */
  peakMiB: Record<string, number>
}

/** Measures rexec's broker against zmq_proxy and, with `all`, the naive ones. `python` is a venv's with pyzmq. */
export async function measureBroker(
  python: string,
  { cases, rounds, all, say }: { cases: Case[]; rounds: number; all: boolean; say(text: string): void },
): Promise<BrokerResult> {
  const native = await buildNative(python)
  const secrets = await makeSecrets()
  const peers: Peer[] = []
  try {
    peers.push(await startZmqProxy(native, secrets), await startRexec(secrets))
    if (all) peers.push(await startZeromqJs(secrets), await startPyzmq(python, secrets))
    const results: CaseResult[] = []
    for (const each of cases) {
      say(`broker, ${bytes(each.bytes)}, window ${each.window}`)
      results.push(await measureCase(native, peers, each, rounds))
    }
    const peakMiB: Record<string, number> = {}
    for (const { name, pid } of peers) peakMiB[name] = (await usage(pid))?.peakMiB ?? Number.NaN
    return { libzmq: peers[0]?.libzmq ?? 'unknown', cases: results, peakMiB }
  } finally {
    await Promise.all(peers.map((peer) => peer.close()))
  }
}

/** Runs `rounds` rounds of a case over all peers, after one that does not count. */
async function measureCase(native: Native, peers: Peer[], each: Case, rounds: number): Promise<CaseResult> {
  const cpu: Record<string, number> = {}
  const contender = (peer: Peer) => async () => {
    const before = await usage(peer.pid)
    const load = await runLoad(native, peer, each)
    const after = await usage(peer.pid)
    if (before && after) cpu[peer.name] = (cpu[peer.name] ?? 0) + after.cpuSeconds - before.cpuSeconds
    return each.latency ? load.median! : each.calls / load.seconds
  }
  const contenders = Object.fromEntries(peers.map((peer) => [peer.name, contender(peer)]))
  await alternate(1, contenders)
  for (const name of Object.keys(cpu)) cpu[name] = 0
  const figures = await alternate(rounds, contenders)
  const microseconds = (name: string) => (cpu[name]! / rounds / (each.calls + each.warmUp)) * 1e6
  const summaries = Object.entries(figures).map(([name, list]) => [
    name,
    { ...summarize(list), ...(name in cpu && { cpuMicrosecondsPerCall: microseconds(name) }) },
  ])
  return { ...each, peers: Object.fromEntries(summaries), ratio: ratio(figures.rexec!, figures.zmq_proxy!) }
}

/** Seconds for all calls; at window 1 also the microseconds of single ones. */
export async function runLoad(
  native: Native,
  peer: Peer,
  each: Case,
): Promise<{ seconds: number; median?: number; p95?: number }> {
  const counts = [each.calls, each.bytes, each.window, each.warmUp].map(String)
  const load: Child = startChild(
    native.load,
    [peer.server, peer.clientAddress, peer.serverAddress, ...counts],
    `${peer.secrets.join('\n')}\n`,
  )
  try {
    return (await load.next()) as { seconds: number }
  } finally {
    await load.close()
  }
}

export function brokerTable({ cases, peakMiB }: BrokerResult): string {
  const names = Object.keys(peakMiB)
  const rates = table(
    ['round trips', 'window', ...names, 'rexec : zmq_proxy', 'spread', 'aim'],
    cases.map(({ bytes: size, window, peers, ratio: { median, min, max }, aim, latency }) => [
      latency ? `${bytes(size)}, µs each` : `${bytes(size)}, per second`,
      String(window),
      ...names.map((name) => figure(peers[name]!.median)),
      `${median.toFixed(2)}×`,
      `${min.toFixed(2)}–${max.toFixed(2)}`,
      `${latency ? '≤' : '≥'} ${aim}×`,
    ]),
  )
  const costs = table(
    ["the broker's CPU", 'unit', ...names],
    cases.map(({ bytes: size, window, peers }) => [
      `${bytes(size)}, window ${window}`,
      'µs/call',
      ...names.map((name) => figure(peers[name]!.cpuMicrosecondsPerCall ?? Number.NaN)),
    ]),
  )
  const memory = names.map((name) => `${name} ${peakMiB[name]} MiB`).join(', ')
  return `${rates}\n\n${costs}\n\nPeak memory: ${memory}`
}
