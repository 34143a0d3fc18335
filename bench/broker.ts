import { type Child, startChild } from './child.ts'
import { buildNative, type Native } from './native.ts'
import { makeSecrets, type Peer, startPyzmq, startRexec, startZeromqJs, startZmqProxy } from './peers.ts'
import { alternate, ratio, type Summary, summarize } from './rounds.ts'
import { bytes, figure, table } from './table.ts'
import { usage } from './usage.ts'

/** One size of arguments, and how many calls are on their way at once. */
export interface Case {
  bytes: number
  window: number
  /** The ratio to zmq_proxy to reach on quiet cores; for a latency at most this, else at least. */
  aim: number
  latency?: boolean
}

export const CASES: Case[] = [
  { bytes: 64, window: 1, aim: 0.6, latency: true },
  { bytes: 64, window: 128, aim: 0.75 },
  { bytes: 1024, window: 128, aim: 1 },
  { bytes: 64 * 1024, window: 32, aim: 1 },
  { bytes: 1024 * 1024, window: 8, aim: 0.9 },
  { bytes: 100 * 1024 * 1024, window: 2, aim: 1.3 },
]

/** Milliseconds of a round, and before it of calls that do not count. */
export interface Duration {
  warmUp: number
  round: number
}

/** Figures of one case: calls per second (latency: microseconds) of each peer. */
export interface CaseResult extends Case {
  peers: Record<string, Summary & { cpuMicrosecondsPerCall: number }>
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

/**
 * Measures rexec's broker against zmq_proxy and, with `all`, the naive ones, with arguments of at most
 * `largest` bytes. `python` is a venv's with pyzmq.
 */
export async function measureBroker(
  python: string,
  {
    duration,
    rounds,
    all,
    largest = Number.POSITIVE_INFINITY,
    say,
  }: { duration: Duration; rounds: number; all: boolean; largest?: number; say(text: string): void },
): Promise<BrokerResult> {
  const native = await buildNative(python)
  const secrets = await makeSecrets()
  const peers: Peer[] = []
  try {
    peers.push(await startZmqProxy(native, secrets), await startRexec(secrets))
    if (all) peers.push(await startZeromqJs(secrets), await startPyzmq(python, secrets))
    const results: CaseResult[] = []
    for (const each of CASES.map((each) => ({ ...each, bytes: Math.min(each.bytes, largest) }))) {
      say(`broker, ${bytes(each.bytes)}, window ${each.window}`)
      results.push(await measureCase(native, peers, each, duration, rounds))
    }
    const peakMiB: Record<string, number> = {}
    for (const { name, pid } of peers) peakMiB[name] = (await usage(pid))?.peakMiB ?? Number.NaN
    return { libzmq: peers[0]?.libzmq ?? 'unknown', cases: results, peakMiB }
  } finally {
    await Promise.all(peers.map((peer) => peer.close()))
  }
}

/** Runs `rounds` rounds of a case over all peers, after one that does not count. */
async function measureCase(
  native: Native,
  peers: Peer[],
  each: Case,
  duration: Duration,
  rounds: number,
): Promise<CaseResult> {
  const costs = new Map(peers.map(({ name }) => [name, { cpuSeconds: 0, calls: 0 }]))
  const contender = (peer: Peer) => async () => {
    const before = await usage(peer.pid)
    const load = await runLoad(native, peer, each, duration)
    const after = await usage(peer.pid)
    const cost = costs.get(peer.name)!
    cost.calls += load.calls + load.warmUp
    cost.cpuSeconds += (after?.cpuSeconds ?? Number.NaN) - (before?.cpuSeconds ?? 0)
    return each.latency ? load.median! : load.calls / load.seconds
  }
  const contenders = Object.fromEntries(peers.map((peer) => [peer.name, contender(peer)]))
  await alternate(1, contenders)
  for (const cost of costs.values()) cost.cpuSeconds = cost.calls = 0
  const figures = await alternate(rounds, contenders)
  const summaries = [...costs].map(([name, { cpuSeconds, calls }]) => [
    name,
    { ...summarize(figures[name]!), cpuMicrosecondsPerCall: (cpuSeconds / calls) * 1e6 },
  ])
  return { ...each, peers: Object.fromEntries(summaries), ratio: ratio(figures.rexec!, figures.zmq_proxy!) }
}

/** What native/load.c prints. */
interface Load {
  warmUp: number
  calls: number
  seconds: number
  /** Microseconds of single calls, at window 1. */
  median?: number
  p95?: number
}

/** Puts a broker under load once. */
export async function runLoad(native: Native, peer: Peer, each: Case, duration: Duration): Promise<Load> {
  const numbers = [each.bytes, each.window, duration.warmUp, duration.round].map(String)
  const load: Child = startChild(
    native.load,
    [peer.server, peer.clientAddress, peer.serverAddress, ...numbers],
    `${peer.secrets.join('\n')}\n`,
  )
  try {
    return (await load.next()) as Load
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
      ...names.map((name) => figure(peers[name]!.cpuMicrosecondsPerCall)),
    ]),
  )
  const memory = names.map((name) => `${name} ${peakMiB[name]} MiB`).join(', ')
  return `${rates}\n\n${costs}\n\nPeak memory: ${memory}`
}
