import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Child, startChild } from './child.ts'
import { alternate, quantile, ratio, type Summary, summarize } from './rounds.ts'
import { bytes, figure, table } from './table.ts'

const PYTHON = join(import.meta.dirname, 'python')
const REXEC = join(import.meta.dirname, '..', 'bin', 'rexec.ts')

const LOCAL = ['--port', '0', '--broker-port', '0', '--json']
/** Of the server: calls that run at once. */
const CONCURRENCY = 4

/** Upstream's server asks its event queue every 50 ms: a call takes 55 ms at least. Given, not measured here. */
export const UPSTREAM_FLOOR_MS = 55

export interface Job {
  /** Bytes of argument and result; 0 is a function that does nothing. */
  bytes: number
  threads: number
  /** Calls of a round, of all threads together. */
  calls: number
}

/** Warm no-op calls one at a time, then throughput. A round takes about a second. */
export const LATENCY: Job = { bytes: 0, threads: 1, calls: 300 }
export const THROUGHPUT: Job[] = [
  { bytes: 0, threads: 1, calls: 400 },
  { bytes: 0, threads: 4, calls: 600 },
  { bytes: 0, threads: 20, calls: 600 },
  { bytes: 64 * 1024 * 1024, threads: 1, calls: 2 },
]
/** What rexec may add to the bare hop, in milliseconds. */
export const AIM_ADDED_MS = 0.6

/** Where the client is sent, with the token to show. */
interface Target {
  host: string
  port: string
  token: string
}

interface Figures {
  seconds: number
  latencies: number[]
}

export interface StackResult {
  /** Milliseconds of a warm no-op call: the median and 95th percentile of each round. */
  latency: Record<'hop' | 'rexec', { median: Summary; p95: Summary }>
  /** Milliseconds that rexec adds to the bare hop, at the median of each round. */
  added: Summary
  aimAddedMs: number
  upstreamFloorMs: number
  /** Calls per second. */
  throughput: (Job & Record<'hop' | 'rexec', Summary>)[]
}

type Name = 'hop' | 'rexec'

/**
 * Measures the unmodified client of `python` (a venv's) against `rexec local` and the bare hop, in turn. `share`
 * makes less of it: 0.1 is a tenth of the calls.
 */
export async function measureStack(python: string, rounds: number, share = 1): Promise<StackResult> {
  const state = await mkdtemp(join(tmpdir(), 'rexec-bench-'))
  const children: Child[] = []
  const start = (command: string, args: string[]): Child => {
    const child = startChild(command, args)
    children.push(child)
    return child
  }
  try {
    const hop = async (way: string) =>
      targetOf(((await start(python, [join(PYTHON, 'hop.py'), way]).next()) as { client: string }).client)
    const answering = await hop('answer')
    const running = await hop('run')
    const rexec = await startServer(
      start(process.execPath, [REXEC, 'local', '--state', state, ...LOCAL]),
      python,
    )
    const client = start(python, [join(PYTHON, 'client.py')])

    const measure = async (target: Target, job: Job): Promise<Figures> => {
      const calls = Math.max(2 * job.threads, Math.round(job.calls * share))
      client.tell(JSON.stringify({ ...target, ...job, calls }))
      return (await client.next()) as Figures
    }
    const latency = await measureLatency(rounds, {
      hop: () => measure(answering, LATENCY),
      rexec: () => measure(rexec, LATENCY),
    })
    const throughput: StackResult['throughput'] = []
    for (const job of THROUGHPUT) {
      const rate = (target: Target) => async () => {
        const { seconds, latencies } = await measure(target, job)
        return latencies.length / seconds
      }
      const rates = await alternate(rounds, {
        hop: rate(job.bytes ? running : answering),
        rexec: rate(rexec),
      })
      throughput.push({ ...job, hop: summarize(rates.hop), rexec: summarize(rates.rexec) })
    }
    return { ...latency, aimAddedMs: AIM_ADDED_MS, upstreamFloorMs: UPSTREAM_FLOOR_MS, throughput }
  } finally {
    await Promise.all(children.map((child) => child.close()))
    await rm(state, { recursive: true, force: true })
  }
}

async function measureLatency(
  rounds: number,
  measure: Record<Name, () => Promise<Figures>>,
): Promise<Pick<StackResult, 'latency' | 'added'>> {
  const p95s: Record<Name, number[]> = { hop: [], rexec: [] }
  const medianOf = (name: Name) => async () => {
    const { latencies } = await measure[name]()
    const sorted = latencies.map((seconds) => seconds * 1000).sort((a, b) => a - b)
    p95s[name].push(quantile(sorted, 0.95))
    return quantile(sorted, 0.5)
  }
  const contenders = { hop: medianOf('hop'), rexec: medianOf('rexec') }
  await alternate(1, contenders) // the server's warm processes, Node's and Python's caches
  p95s.hop = []
  p95s.rexec = []
  const medians = await alternate(rounds, contenders)
  return {
    latency: {
      hop: { median: summarize(medians.hop), p95: summarize(p95s.hop) },
      rexec: { median: summarize(medians.rexec), p95: summarize(p95s.rexec) },
    },
    added: summarize(medians.rexec.map((median, round) => median - medians.hop[round]!)),
  }
}

/** Asks `rexec local` for a server of the client's own Python version; the first call then waits for it. */
async function startServer(local: Child, python: string): Promise<Target> {
  const { url, broker, users } = (await local.next()) as {
    url: string
    broker: { client: string }
    users: { name: string; token: string }[]
  }
  const token = users[0]!.token
  const { stdout } = await promisify(execFile)(python, [
    '-c',
    'import sys; print("%d.%d" % sys.version_info[:2])',
  ])
  const response = await fetch(`${url}/api/v1/servers`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ python: stdout.trim(), concurrency: CONCURRENCY }),
  })
  if (!response.ok) throw new Error(`The server did not start: ${await response.text()}`)
  return targetOf(broker.client, token)
}

function targetOf(address: string, token = 'none'): Target {
  const { hostname, port } = new URL(address)
  return { host: hostname, port, token }
}

export function stackTable({ latency, added, throughput }: StackResult): string {
  const ms = ({ median, min, max }: Summary) => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`
  const latencies = table(
    ['warm no-op call, ms', 'median (spread)', '95th percentile (spread)'],
    [
      ['bare hop', ms(latency.hop.median), ms(latency.hop.p95)],
      ['rexec', ms(latency.rexec.median), ms(latency.rexec.p95)],
      [`rexec adds (aim: ≤ ${AIM_ADDED_MS})`, ms(added), ''],
      ['upstream, at least (given, not measured)', String(UPSTREAM_FLOOR_MS), ''],
    ],
  )
  const rates = table(
    ['calls/s', 'threads', 'bare hop', 'rexec', 'ratio'],
    throughput.map(({ bytes: size, threads, hop, rexec }) => [
      size ? `${bytes(size)} argument and result` : 'no-op',
      String(threads),
      figure(hop.median),
      figure(rexec.median),
      `${ratio(rexec.rounds, hop.rounds).median.toFixed(2)}×`,
    ]),
  )
  return `${latencies}\n\n${rates}`
}
