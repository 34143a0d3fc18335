import type { ErrorCode } from '../common/errors.ts'
import { Counter, Gauge, Histogram, type Registry } from '../common/metrics.ts'

/** How a call ended: by its server, by a cancel, because its client left, or by an error of the broker. */
export type Outcome = 'finished' | 'cancelled' | 'client_gone' | ErrorCode

/** Values that are only known when they are asked for. */
export interface Gauges {
  clients(): number
  servers(): number
  waiting(): number
  buffered(): number
}

/**
 * What the broker counts. The message path only adds to plain numbers; they become metrics when someone looks.
 */
export class BrokerMetrics {
  readonly #outcomes = new Map<Outcome, number>()
  readonly #refused = new Map<ErrorCode, number>()
  readonly #duration: Histogram
  dropped = 0
  bytesFromClients = 0
  bytesFromServers = 0

  constructor(registry: Registry, gauges: Gauges) {
    const registers = [registry]
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value())
        },
      })
    const counter = (name: string, help: string, value: () => number) =>
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset()
          this.inc(value())
        },
      })
    const byLabel = (name: string, help: string, label: string, values: Map<string, number>) =>
      new Counter({
        name,
        help,
        registers,
        labelNames: [label],
        collect() {
          this.reset()
          for (const [value, count] of values) this.inc({ [label]: value }, count)
        },
      })
    gauge('rexec_broker_clients', 'Clients connected.', gauges.clients)
    gauge('rexec_broker_servers', 'Servers connected and welcomed.', gauges.servers)
    gauge('rexec_broker_waiting_calls', 'Calls that wait for a server.', gauges.waiting)
    gauge('rexec_broker_buffered_bytes', 'Bytes held for peers in all.', gauges.buffered)
    byLabel('rexec_broker_calls_total', 'Calls that ended, by outcome.', 'outcome', this.#outcomes)
    byLabel(
      'rexec_broker_refused_total',
      'Messages and servers refused, by error code.',
      'code',
      this.#refused,
    )
    counter(
      'rexec_broker_dropped_messages_total',
      'Messages of servers about calls that are not theirs (S3).',
      () => this.dropped,
    )
    counter(
      'rexec_broker_client_bytes_total',
      'Bytes of functions and arguments.',
      () => this.bytesFromClients,
    )
    counter('rexec_broker_server_bytes_total', 'Bytes of events.', () => this.bytesFromServers)
    this.#duration = new Histogram({
      name: 'rexec_broker_call_seconds',
      help: 'Time from a call to its last event.',
      registers,
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000],
    })
  }

  ended(outcome: Outcome, milliseconds: number): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
    this.#duration.observe(milliseconds / 1000)
  }

  refused(code: ErrorCode): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
  }
}
