import type { Logger } from '../common/logger.ts'
import { Counter, Histogram, type Registry } from '../common/metrics.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { ServerStatus, User } from './pipeline.ts'

const BUCKETS = [0.25, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200]

/** Times a server's start from now on, by its changes of state; never rejects. */
export type FollowStart = (user: User, server: ServerStatus) => Promise<void>

/**
 * How long servers are in which phase until they are ready, or have ended without. The proxy that has started a server
 * times it, so that each start counts once; `closing` ends what is being timed.
 */
export function createStartTimes(
  cluster: Pick<Cluster, 'watch'>,
  { registry, logger, closing }: { registry: Registry; logger: Logger; closing: AbortSignal },
): FollowStart {
  const registers = [registry]
  const phases = new Histogram({
    name: 'rexec_server_phase_seconds',
    help: 'Time that starting servers spent in a phase',
    labelNames: ['phase'],
    buckets: BUCKETS,
    registers,
  })
  const starts = new Histogram({
    name: 'rexec_server_start_seconds',
    help: 'Time from the request until a server was ready, or had ended without',
    labelNames: ['outcome'],
    buckets: BUCKETS,
    registers,
  })
  const failures = new Counter({
    name: 'rexec_server_start_failures_total',
    help: 'Servers that failed before they were ready, by error code',
    labelNames: ['code'],
    registers,
  })

  async function follow(user: User, started: ServerStatus): Promise<void> {
    const begin = performance.now()
    let { phase } = started
    let since = begin
    const end = (outcome: 'ready' | 'failed' | 'stopped') =>
      starts.observe({ outcome }, (performance.now() - begin) / 1000)
    for await (const status of cluster.watch(user, started.name, closing, false)) {
      // Another one has taken its name.
      if (status.createdAt !== started.createdAt) return end('stopped')
      if (status.phase === phase) continue
      const now = performance.now()
      phases.observe({ phase }, (now - since) / 1000)
      phase = status.phase
      since = now
      if (phase === 'ready') return end('ready')
      if (phase === 'stopping' || phase === 'stopped') return end('stopped')
      if (phase === 'failed') {
        failures.inc({ code: status.code ?? 'server_failed' })
        return end('failed')
      }
    }
    if (!closing.aborted) end('stopped')
  }

  return (user, server) =>
    follow(user, server).catch((error) => logger.debug({ err: error }, 'the start of a server was not timed'))
}
