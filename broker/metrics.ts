import type { ErrorCode } from '../common/errors.ts'
import { Counter, Distribution, Gauge, type Registry, showDistributions } from '../common/metrics.ts'
import type { Unopened } from './zmtp/listener.ts'

/** How a call ended: by its server, by a cancel, because its client left, or by an error of the broker. */
export type Outcome = 'finished' | 'cancelled' | 'client_gone' | ErrorCode

/** Why a message of a server was dropped: about a call that it was not given (S3), or that is over for its client (S5). */
export type Dropped = 'not_given' | 'call_over'

/** Values that are only known when they are asked for. */
export interface Gauges {
  clients(): number
  servers(): number
  running(): number
  waiting(): number
  buffered(): number
}

const CALL_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]
const QUEUE_SECONDS = [0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]

type Labelled = [labels: Record<string, string>, count: number]

function by(
  label: string,
  counts: Iterable<[string, number]>,
  others: Record<string, string> = {},
): Labelled[] {
  return [...counts].map(([value, count]) => [{ ...others, [label]: value }, count])
}

/** Counts of something by a label, whose values are few and known: never what a peer says. */
class Counts<T extends string> extends Map<T, number> {
  add(value: T): void {
    this.set(value, (this.get(value) ?? 0) + 1)
  }
}

/**
 * What the broker counts. The message path only adds to plain numbers; they become metrics when someone looks.
 */
export class BrokerMetrics {
  readonly #outcomes = new Counts<Outcome>()
  readonly #durations = new Map<Outcome, Distribution>()
  readonly #queue = new Distribution(QUEUE_SECONDS)
  readonly #refused = new Counts<ErrorCode>()
  readonly #unopened = { clients: new Counts<Unopened>(), servers: new Counts<Unopened>() }
  readonly #offences = new Counts<string>()
  readonly #reviews = new Counts<'known' | ErrorCode>()
  readonly dropped: Record<Dropped, number> = { not_given: 0, call_over: 0 }
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
    const counter = (name: string, help: string, labelNames: string[], values: () => Labelled[]) =>
      new Counter({
        name,
        help,
        registers,
        labelNames,
        collect() {
          this.reset()
          for (const [labels, count] of values()) this.inc(labels, count)
        },
      })
    gauge('rexec_broker_clients', 'Clients connected.', gauges.clients)
    gauge('rexec_broker_servers', 'Servers connected and welcomed.', gauges.servers)
    gauge('rexec_broker_running_calls', 'Calls that servers have been given.', gauges.running)
    gauge('rexec_broker_waiting_calls', 'Calls that wait for a server.', gauges.waiting)
    gauge('rexec_broker_buffered_bytes', 'Bytes held for peers in all.', gauges.buffered)
    counter('rexec_broker_calls_total', 'Calls that ended, by outcome.', ['outcome'], () =>
      by('outcome', this.#outcomes),
    )
    counter('rexec_broker_refused_total', 'Messages and servers refused, by error code.', ['code'], () =>
      by('code', this.#refused),
    )
    counter(
      'rexec_broker_unopened_connections_total',
      'Connections refused, or gone before the end of their handshake, by port and reason.',
      ['port', 'reason'],
      () => Object.entries(this.#unopened).flatMap(([port, counts]) => by('reason', counts, { port })),
    )
    counter(
      'rexec_broker_server_offences_total',
      'Servers closed because they broke the protocol (S4), by what they did.',
      ['reason'],
      () => by('reason', this.#offences),
    )
    counter(
      'rexec_broker_token_reviews_total',
      'Questions to the proxy about a token and its servers, by answer: known, or an error code.',
      ['outcome'],
      () => by('outcome', this.#reviews),
    )
    counter(
      'rexec_broker_dropped_messages_total',
      'Messages of servers about calls that are not theirs (S3) or over (S5).',
      ['reason'],
      () => by('reason', Object.entries(this.dropped)),
    )
    counter('rexec_broker_client_bytes_total', 'Bytes of functions and arguments.', [], () => [
      [{}, this.bytesFromClients],
    ])
    counter('rexec_broker_server_bytes_total', 'Bytes of events.', [], () => [[{}, this.bytesFromServers]])
    showDistributions(
      registry,
      {
        name: 'rexec_broker_call_seconds',
        help: 'Time from a call to its last event, by outcome.',
        label: 'outcome',
      },
      this.#durations,
    )
    showDistributions(
      registry,
      {
        name: 'rexec_broker_queue_seconds',
        help: 'Time until a server was given a call; 0 when one was free.',
      },
      new Map([['', this.#queue]]),
    )
  }

  ended(outcome: Outcome, milliseconds: number): void {
    this.#outcomes.add(outcome)
    let durations = this.#durations.get(outcome)
    if (durations === undefined) {
      durations = new Distribution(CALL_SECONDS)
      this.#durations.set(outcome, durations)
    }
    durations.observe(milliseconds / 1000)
  }

  /** A server is given a call that has waited so long; 0 when one was free. */
  dequeued(milliseconds: number): void {
    this.#queue.observe(milliseconds / 1000)
  }

  refused(code: ErrorCode): void {
    this.#refused.add(code)
  }

  unopened(port: 'clients' | 'servers', reason: Unopened): void {
    this.#unopened[port].add(reason)
  }

  /** `what` is one of the texts in server.ts and event-reader.ts. */
  offence(what: string): void {
    this.#offences.add(what)
  }

  reviewed(outcome: 'known' | ErrorCode): void {
    this.#reviews.add(outcome)
  }
}
