import type { ErrorCode } from '../common/errors.ts'
import { type Channel, dataEvent, endEvent, errorEvent } from '../common/events.ts'
import { MAX_PART, Verb } from '../common/protocol.ts'
import { header, ToChild } from './message.ts'

/** Sends a message to the broker; resolves when the network has taken it, or when there is no broker any more. */
export type Send = (frames: (Buffer | string)[]) => Promise<void>

/** The process that runs a call, as far as the call needs it. */
export interface Runner {
  /** Returns a promise when the process takes bytes more slowly than they come. */
  write(chunks: Buffer[]): Promise<void> | undefined
  pause(): void
  resume(): void
}

/** Bytes of a call's events that may wait for the network before its process is made to wait. */
export const HIGH_WATER = 256 * 1024
/** What an event counts beyond its bytes, so that small and empty ones are bounded too. */
const EVENT_BYTES = 256
/** A call with so many bytes waiting is given no more output: its process has gone on while it was to wait. */
const FULL = 8 * 1024 * 1024

const PADDING = Buffer.alloc(MAX_PART)

/**
 * One call: its two frames on the way to the process, its events on the way back. It knows nothing of how the process
 * is run or the broker is reached.
 */
export class Call {
  readonly id: string
  readonly #send: Send
  readonly #onEnd: (call: Call) => void
  #runner: Runner | undefined
  /** Bytes for the process, while there is none. */
  #held: Buffer[] = []
  #frames = 0
  /** Bytes of events that the network has not taken. */
  #waiting = 0
  #paused = false
  /** Bytes still to come of a streamed event. */
  #missing = 0
  #ended = false

  constructor(id: string, send: Send, onEnd: (call: Call) => void) {
    this.id = id
    this.#send = send
    this.#onEnd = onEnd
  }

  /** It has had its final event, or its broker is gone. */
  get ended(): boolean {
    return this.#ended
  }

  /** No well-behaved process comes so far, for it is made to wait long before. */
  get isFull(): boolean {
    return this.#waiting > FULL
  }

  /** Gives the call its process. */
  run(runner: Runner): void {
    this.#runner = runner
    const held = this.#held
    this.#held = []
    if (held.length > 0) runner.write(held)
  }

  // --- from the broker

  /** Function and arguments at once. */
  frames(fn: Buffer, args: Buffer): void {
    this.#write([header(ToChild.FUNCTION, fn.length), fn, header(ToChild.ARGUMENTS, args.length), args])
  }

  /** Begins the next of the two frames. Resolves when there is room for more. */
  frame(size: number, chunk: Buffer): Promise<void> | undefined {
    const type = this.#frames++ === 0 ? ToChild.FUNCTION : ToChild.ARGUMENTS
    return this.#write([header(type, size), chunk])
  }

  part(chunk: Buffer): Promise<void> | undefined {
    return this.#write([chunk])
  }

  #write(chunks: Buffer[]): Promise<void> | undefined {
    if (this.#runner) return this.#runner.write(chunks)
    this.#held.push(...chunks)
    return undefined
  }

  // --- to the broker

  output(channel: Channel, text: string): void {
    this.#event('more', dataEvent(channel, text))
  }

  /** A pickled event, or a part of a large one (see Receive in message.ts). */
  item(part: Buffer, offset: number, size: number): void {
    if (size <= MAX_PART) return this.#event('more', part)
    if (offset === 0) {
      this.#post([Verb.EVENT, this.id, 'more'], 0)
      this.#post([Verb.FRAME, this.id, String(size), part], part.length)
    } else {
      this.#post([Verb.PART, this.id, part], part.length)
    }
    this.#missing = size - offset - part.length
  }

  /** The regular end. */
  done(): void {
    this.#end(endEvent())
  }

  cancel(reason: string): void {
    this.#end(endEvent({ reason }))
  }

  fail(code: ErrorCode, detail?: string): void {
    this.#end(errorEvent(code, detail))
  }

  /** The end with an error event that is already pickled. */
  failWith(event: Buffer): void {
    this.#end(event)
  }

  /** The end without a word: the broker is gone. */
  abandon(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onEnd(this)
  }

  #end(payload: Buffer): void {
    if (this.#ended) return
    if (this.#missing > 0) void this.#pad(this.#missing, payload)
    else this.#event('final', payload)
    this.abandon()
  }

  /** Ends a large event that broke off, so that the final one can follow: with zeros no client can unpickle it. */
  async #pad(missing: number, payload: Buffer): Promise<void> {
    for (let rest = missing; rest > 0; rest -= MAX_PART)
      await this.#send([Verb.PART, this.id, PADDING.subarray(0, Math.min(rest, MAX_PART))])
    await this.#send([Verb.EVENT, this.id, 'final', payload])
  }

  #event(kind: 'more' | 'final', payload: Buffer): void {
    this.#post([Verb.EVENT, this.id, kind, payload], payload.length)
  }

  #post(frames: (Buffer | string)[], payload: number): void {
    if (this.#ended) return
    const bytes = payload + EVENT_BYTES
    this.#waiting += bytes
    if (this.#waiting > HIGH_WATER && !this.#paused) {
      this.#paused = true
      this.#runner?.pause()
    }
    void this.#send(frames).then(() => {
      this.#waiting -= bytes
      if (!this.#paused || this.#waiting > HIGH_WATER / 2) return
      this.#paused = false
      if (!this.#ended) this.#runner?.resume()
    })
  }
}
