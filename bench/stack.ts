import { alternate, quantile, ratio, type Summary, summarize } from './rounds.ts'
import { bytes, figure, table } from './table.ts'
import { type Figures, type Job, type Name, startTargets } from './targets.ts'
import { treeCpuSeconds } from './usage.ts'

/** Upstream's server asks its event queue every 50 ms: a call takes 55 ms at least. Given, not measured here. */
export const UPSTREAM_FLOOR_MS = 55

type Pace = 'paused' | 'back to back'

/**
 * Warm no-op calls, one at a time: as a person makes them, and one right after the other, when the server's fresh
 * process for the next call competes with that call for the cores.
 */
const LATENCIES: Record<Pace, Job> = {
  paused: { bytes: 0, threads: 1, calls: 40, pause: 0.025 },
  'back to back': { bytes: 0, threads: 1, calls: 250, pause: 0 },
}
const THROUGHPUT: Job[] = [
  { bytes: 0, threads: 1, calls: 250, pause: 0 },
  { bytes: 0, threads: 4, calls: 400, pause: 0 },
  { bytes: 0, threads: 20, calls: 400, pause: 0 },
  { bytes: 64 * 1024 * 1024, threads: 1, calls: 2, pause: 0 },
]
/** What rexec may add to the bare hop, in milliseconds. */
export const AIM_ADDED_MS = 0.6

interface Latency {
  /** Milliseconds of a call: the median and 95th percentile of each round. */
  hop: { median: Summary; p95: Summary }
  rexec: { median: Summary; p95: Summary }
  /** Milliseconds that rexec adds to the bare hop, at the median of each round. */
  added: Summary
}

export interface StackResult {
  latency: Record<Pace, Latency>
  aimAddedMs: number
  upstreamFloorMs: number
  /** Calls per second. */
  throughput: (Job & Record<Name, Summary> & { rexecCpuMsPerCall?: number })[]
}

/**
 * Measures the unmodified client of `python` (a venv's) against `rexec local` and the bare hop, in turn. `share`
 * makes less of it: 0.1 is a tenth of the calls.
 */
export async function measureStack(python: string, rounds: number, share = 1): Promise<StackResult> {
  const targets = await startTargets(python)
  try {
    const contenders = (job: Job) => {
      const calls = Math.max(2 * job.threads, Math.round(job.calls * share))
      return targets.contenders({ ...job, calls })
    }
    const paused = await measureLatency(rounds, contenders(LATENCIES.paused))
    const backToBack = await measureLatency(rounds, contenders(LATENCIES['back to back']))
    const throughput: StackResult['throughput'] = []
    for (const job of THROUGHPUT) {
      throughput.push(await measureThroughput(rounds, job, contenders(job), targets.rexecPid))
    }
    return {
      latency: { paused, 'back to back': backToBack },
      aimAddedMs: AIM_ADDED_MS,
      upstreamFloorMs: UPSTREAM_FLOOR_MS,
      throughput,
    }
  } finally {
    await targets.close()
  }
}

async function measureLatency(
  rounds: number,
  measure: Record<Name, () => Promise<Figures>>,
): Promise<Latency> {
  const p95s: Record<Name, number[]> = { hop: [], rexec: [] }
  const medianOf = (name: Name) => async () => {
    const { latencies } = await measure[name]()
    const sorted = latencies.map((seconds) => seconds * 1000).sort((a, b) => a - b)
    p95s[name].push(quantile(sorted, 0.95))
    return quantile(sorted, 0.5)
  }
  const contenders = { hop: medianOf('hop'), rexec: medianOf('rexec') }
  await alternate(1, contenders) // the server's start, and the caches of all
  p95s.hop = []
  p95s.rexec = []
  const { hop, rexec } = await alternate(rounds, contenders)
  return {
    hop: { median: summarize(hop), p95: summarize(p95s.hop) },
    rexec: { median: summarize(rexec), p95: summarize(p95s.rexec) },
    added: summarize(rexec.map((median, round) => median - hop[round]!)),
  }
}

async function measureThroughput(
  rounds: number,
  job: Job,
  measure: Record<Name, () => Promise<Figures>>,
  rexecPid: number,
): Promise<StackResult['throughput'][number]> {
  let calls = 0
  const rate = (name: Name) => async () => {
    const { seconds, latencies } = await measure[name]()
    if (name === 'rexec') calls += latencies.length
    return latencies.length / seconds
  }
  const before = await treeCpuSeconds(rexecPid)
  const { hop, rexec } = await alternate(rounds, { hop: rate('hop'), rexec: rate('rexec') })
  const after = await treeCpuSeconds(rexecPid)
  return {
    ...job,
    hop: summarize(hop),
    rexec: summarize(rexec),
    ...(before !== undefined &&
      after !== undefined && { rexecCpuMsPerCall: ((after - before) / calls) * 1000 }),
  }
}

export function stackTable({ latency, throughput }: StackResult): string {
  const ms = ({ median, min, max }: Summary) => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
  const latencies = table(
    ['warm no-op call, ms', 'pace', 'median (spread)', '95th percentile (spread)'],
    [
      ...Object.entries(latency).flatMap(([pace, { hop, rexec, added }]) => [
        ['bare hop', pace, ms(hop.median), ms(hop.p95)],
        ['rexec', pace, ms(rexec.median), ms(rexec.p95)],
        [`rexec adds (aim: ≤ ${AIM_ADDED_MS})`, pace, ms(added), ''],
      ]),
      ['upstream, at least (given, not measured)', '', String(UPSTREAM_FLOOR_MS), ''],
    ],
  )
  const rates = table(
    ['calls/s', 'threads', 'bare hop', 'rexec', 'ratio', "rexec's CPU, ms/call"],
    throughput.map(({ bytes: size, threads, hop, rexec, rexecCpuMsPerCall }) => [
      size ? `${bytes(size)} argument and result` : 'no-op',
      String(threads),
      figure(hop.median),
      figure(rexec.median),
      `${ratio(rexec.rounds, hop.rounds).median.toFixed(2)}×`,
      figure(rexecCpuMsPerCall ?? Number.NaN),
    ]),
  )
  return `${latencies}\n\n${rates}`
}
