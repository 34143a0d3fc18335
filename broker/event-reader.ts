import { MAX_PART, Verb } from '../common/protocol.ts'
import { type Call, callNumber } from './call.ts'
import type { BrokerMetrics } from './metrics.ts'
import type { Router } from './router.ts'
import type { Connection } from './zmtp/connection.ts'

export interface EventContext {
  router: Router
  metrics: BrokerMetrics
  /** Of a streamed event. */
  maxEventBytes: number
}

/** What the reader tells its server's session. */
export interface EventReaderEvents {
  /** The call's last event has been passed on. */
  finished(call: Call): void
  /** The server broke the protocol (S4). */
  offence(what: string): void
}

/** `left` of an announced event before its FRAME. */
const NOT_BEGUN = -1

/** Passes the events of one server on to their clients: EVENT, FRAME and PART, whole or while they come (P7). */
export class EventReader {
  readonly #connection: Connection
  /** The calls that the server was given, by number. */
  readonly #calls: ReadonlyMap<number, Call>
  readonly #context: EventContext
  readonly #events: EventReaderEvents
  /** The frames of a long message before the one that comes in pieces. */
  #head: Buffer[] | undefined
  /** Whose payload or chunk is being read. */
  #body: Call | undefined

  constructor(
    connection: Connection,
    calls: ReadonlyMap<number, Call>,
    context: EventContext,
    events: EventReaderEvents,
  ) {
    this.#connection = connection
    this.#calls = calls
    this.#context = context
    this.#events = events
  }

  /** A whole message; `verb` is its first frame. */
  message(verb: string, frames: Buffer[]): void {
    if (verb === Verb.EVENT && frames.length === 3) return this.#announce(frames)
    const body = frames.pop()!
    const wrong = this.#open(verb, frames, body.length)
    if (wrong !== undefined) return this.#events.offence(wrong)
    this.frameData(body)
    this.streamEnd()
  }

  streamBegin(frames: Buffer[]): void {
    this.#head = frames
  }

  frameBegin(size: number): void {
    const frames = this.#head ?? []
    this.#head = undefined
    const verb = frames[0]?.toString('latin1') ?? ''
    const isLong = verb === Verb.EVENT || verb === Verb.FRAME || verb === Verb.PART
    const wrong = isLong ? this.#open(verb, frames, size) : 'message too long'
    if (wrong !== undefined) this.#events.offence(wrong)
  }

  frameData(chunk: Buffer): void {
    const call = this.#body
    this.#context.metrics.bytesFromServers += chunk.length
    if (call === undefined || call.over) return
    call.client.lane.data(call, chunk)
    this.#relayed(call)
  }

  streamEnd(): void {
    const call = this.#body
    if (call === undefined) return
    this.#body = undefined
    const { incoming } = call
    if (incoming === undefined || incoming.left > 0) return
    call.incoming = undefined
    if (!call.over) call.client.lane.end(call)
    if (incoming.final) this.#events.finished(call)
  }

  /** EVENT without payload: a streamed event, whose FRAME follows. */
  #announce(frames: Buffer[]): void {
    const kind = frames[2]!.toString('latin1')
    if (kind !== 'final' && kind !== 'more') return this.#events.offence('EVENT of an unknown kind')
    const call = this.#find(frames)
    if (call === undefined) return
    if (call.incoming !== undefined) return this.#events.offence('EVENT within a streamed EVENT')
    call.incoming = { final: kind === 'final', left: NOT_BEGUN }
  }

  /**
   * Takes the frames before a payload or chunk of `size` bytes, which comes by frameData.
   * @returns what is wrong with them
   */
  #open(verb: string, frames: Buffer[], size: number): string | undefined {
    if (frames.length !== (verb === Verb.PART ? 2 : 3)) return 'wrong number of frames'
    if (size > MAX_PART) return 'payload or chunk too long'
    const call = this.#find(frames)
    this.#body = call
    if (verb === Verb.EVENT) return this.#openEvent(call, frames[2]!.toString('latin1'), size)
    if (call === undefined) return
    const { incoming } = call
    if (verb === Verb.PART) {
      if (incoming === undefined || incoming.left < size) return 'PART out of place'
      incoming.left -= size
      return
    }
    const total = callNumber(frames[2]!)
    if (incoming?.left !== NOT_BEGUN || total < size) return 'FRAME out of place'
    incoming.left = total - size
    if (total > this.#context.maxEventBytes) this.#context.router.fail(call, 'result_too_large')
    if (!call.over) call.client.lane.begin(call, total)
    return
  }

  #openEvent(call: Call | undefined, kind: string, size: number): string | undefined {
    if (kind !== 'final' && kind !== 'more') return 'EVENT of an unknown kind'
    if (call === undefined) return
    if (call.incoming !== undefined) return 'EVENT within a streamed EVENT'
    call.incoming = { final: kind === 'final', left: 0 }
    if (!call.over) call.client.lane.begin(call, size)
    return
  }

  /** The call that a message is about. One that was never this connection's is counted and dropped (S3). */
  #find(frames: Buffer[]): Call | undefined {
    const call = this.#calls.get(callNumber(frames[1]!))
    if (call === undefined) this.#context.metrics.dropped.not_given++
    else if (call.over) this.#context.metrics.dropped.call_over++
    return call
  }

  /** After bytes for a client: one that does not take them holds this server back (P6, C8). */
  #relayed(call: Call): void {
    const { connection, lane, pressure } = call.client
    if (connection.isFull) pressure.hold(this.#connection)
    else if (lane.isCrowded)
      this.#context.router.fail(
        call,
        'broker_overloaded',
        'Too much waits behind a long result on the same connection.',
      )
  }
}
