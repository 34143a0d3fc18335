import { alternate, quantile, ratio, type Summary, summarize } from '../rounds.ts'
import { figure, table } from '../table.ts'
import { treeCpuSeconds } from '../usage.ts'
import { plainJob } from './bare-job.ts'
import type { KbatchProxy } from './kbatch.ts'
import type { Kube } from './kube.ts'
import { inFlight } from './load.ts'
import type { RexecProxy, Timed } from './rexec.ts'
import { tidy, userNamespaces } from './tidy.ts'

/** Each with a namespace of the own in either service; as many as submits at once, so that nobody waits for a turn. */
const USERS = Array.from({ length: 16 }, (_, index) => `user-${index}`)
const CONCURRENCIES = [1, 16]
/** For the rounds of each; the whole bench takes about five minutes. */
const CASE_SECONDS = 100
/** Of rexec's submits per second to those of kbatch-proxy, with a command alone. */
export const AIM_RATIO = 20
/** Milliseconds of our own code per submit, one at a time, at the 99th percentile. */
export const AIM_ADDED_P99_MS = 5

const NAMES = ['bare Job', 'rexec', 'kbatch', 'kbatch with code'] as const
export type Name = (typeof NAMES)[number]

export interface Figures {
  perSecond: Summary
  /** Milliseconds, over the submits of all rounds. */
  p50: number
  p99: number
  /** Of the service's processes; none for the bare Job. */
  cpuMsPerSubmit?: number
}

export interface SubmitCase {
  concurrency: number
  contenders: Record<Name, Figures>
  /** rexec's submits per second to those of each other. */
  ratios: Record<Exclude<Name, 'rexec'>, Summary>
  /** Milliseconds of rexec's submits, over all rounds. */
  parts: Record<'kubernetes' | 'identity' | 'own' | 'ownCpu', { p50: number; p99: number }>
  kubernetesCalls: number
}

export interface SubmitResult {
  users: number
  submitsPerRound: number
  aims: { ratio: number; addedP99Ms: number }
  cases: SubmitCase[]
}

export interface Contenders {
  kube: Kube
  rexec: RexecProxy
  kbatch: KbatchProxy
}

/** Submits as often per round and contender as `submits` says; between them the cluster is emptied. */
export async function measureSubmits(
  { kube, rexec, kbatch }: Contenders,
  { rounds, submits, say }: { rounds: number; submits: number; say(text: string): void },
): Promise<SubmitResult> {
  say('submits: warming up')
  // Namespaces are made, tokens remembered, connections opened, code compiled.
  await inFlight(4, 3 * USERS.length, (index) => rexec.submit(userOf(index)))
  await inFlight(4, USERS.length, (index) => kbatch.submit(userOf(index), 'code'))
  const namespaces = await userNamespaces(kube, USERS)
  const createPlain = await plainJob(kube, namespaces.rexec)

  const cases: SubmitCase[] = []
  for (const concurrency of CONCURRENCIES) {
    say(`submits: ${concurrency} at once`)
    const latencies: Record<Name, number[]> = {
      'bare Job': [],
      rexec: [],
      kbatch: [],
      'kbatch with code': [],
    }
    const cpuSeconds: Partial<Record<Name, number>> = {}
    const timed: Timed[] = []
    const tasks: Record<Name, (index: number) => Promise<number>> = {
      'bare Job': createPlain,
      async rexec(index) {
        const times = await rexec.submit(userOf(index))
        timed.push(times)
        return times.total
      },
      kbatch: (index) => kbatch.submit(userOf(index), 'command'),
      'kbatch with code': (index) => kbatch.submit(userOf(index), 'code'),
    }
    const pids: Partial<Record<Name, number>> = {
      rexec: rexec.pid,
      kbatch: kbatch.pid,
      'kbatch with code': kbatch.pid,
    }
    const contender = (name: Name) => async () => {
      await tidy(kube, [...namespaces.rexec, ...namespaces.kbatch])
      const before = await cpuOf(pids[name])
      const { results, seconds } = await inFlight(concurrency, submits, tasks[name])
      cpuSeconds[name] = (cpuSeconds[name] ?? 0) + (await cpuOf(pids[name])) - before
      latencies[name].push(...results)
      return results.length / seconds
    }
    const contenders = Object.fromEntries(NAMES.map((name) => [name, contender(name)]))
    const rates = (await alternate(rounds, contenders, CASE_SECONDS)) as Record<Name, number[]>
    cases.push(summary(concurrency, rates, latencies, cpuSeconds, timed))
  }
  await tidy(kube, [...namespaces.rexec, ...namespaces.kbatch])
  const aims = { ratio: AIM_RATIO, addedP99Ms: AIM_ADDED_P99_MS }
  return { users: USERS.length, submitsPerRound: submits, aims, cases }
}

const userOf = (index: number) => USERS[index % USERS.length]!
const cpuOf = async (pid?: number) => (pid && (await treeCpuSeconds(pid))) || 0

function summary(
  concurrency: number,
  rates: Record<Name, number[]>,
  latencies: Record<Name, number[]>,
  cpuSeconds: Partial<Record<Name, number>>,
  timed: Timed[],
): SubmitCase {
  const figures = (name: Name): Figures => ({
    perSecond: summarize(rates[name]),
    ...percentiles(latencies[name]),
    ...(cpuSeconds[name] && { cpuMsPerSubmit: (cpuSeconds[name] / latencies[name].length) * 1000 }),
  })
  return {
    concurrency,
    contenders: Object.fromEntries(NAMES.map((name) => [name, figures(name)])) as Record<Name, Figures>,
    ratios: {
      'bare Job': ratio(rates.rexec, rates['bare Job']),
      kbatch: ratio(rates.rexec, rates.kbatch),
      'kbatch with code': ratio(rates.rexec, rates['kbatch with code']),
    },
    parts: {
      kubernetes: percentiles(timed.map(({ kubernetes }) => kubernetes)),
      identity: percentiles(timed.map(({ identity }) => identity)),
      own: percentiles(timed.map(({ total, kubernetes, identity }) => total - kubernetes - identity)),
      ownCpu: percentiles(timed.map(({ cpu }) => cpu)),
    },
    kubernetesCalls: percentiles(timed.map((times) => times.kubernetesCalls)).p50,
  }
}

export function percentiles(values: number[]): { p50: number; p99: number } {
  const sorted = values.toSorted((a, b) => a - b)
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) }
}

export function submitTable({ cases }: SubmitResult): string {
  const times = ({ median, min, max }: Summary) => `${figure(median)}× (${figure(min)}–${figure(max)})`
  const rates = table(
    ['submits', 'at once', 'per second', 'spread', 'p50, ms', 'p99, ms', 'CPU, ms', 'rexec is'],
    cases.flatMap(({ concurrency, contenders, ratios }) =>
      NAMES.map((name) => {
        const { perSecond, p50, p99, cpuMsPerSubmit } = contenders[name]
        return [
          name,
          String(concurrency),
          figure(perSecond.median),
          `${figure(perSecond.min)}–${figure(perSecond.max)}`,
          figure(p50),
          figure(p99),
          cpuMsPerSubmit === undefined ? '' : figure(cpuMsPerSubmit),
          name === 'rexec' ? '' : times(ratios[name]),
        ]
      }),
    ),
  )
  const parts = table(
    ["a submit's time in rexec, ms", 'at once', 'p50', 'p99'],
    cases.flatMap(({ concurrency, parts: { kubernetes, identity, own, ownCpu }, kubernetesCalls }) =>
      Object.entries({
        [`Kubernetes (${kubernetesCalls} calls)`]: kubernetes,
        'identity service': identity,
        [`our own (aim at 1: p99 ≤ ${AIM_ADDED_P99_MS})`]: own,
        // Of one submit only where there is one at a time.
        ...(concurrency === 1 && { 'of it CPU': ownCpu }),
      }).map(([name, { p50, p99 }]) => [name, String(concurrency), figure(p50), figure(p99)]),
    ),
  )
  return `${rates}\n\nAim: rexec is ${AIM_RATIO}× kbatch.\n\n${parts}`
}
