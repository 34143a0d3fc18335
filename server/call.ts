import type { ErrorCode } from '../common/errors.ts'
import { type Channel, dataEvent, endEvent, errorEvent } from '../common/events.ts'
import { MAX_PART, Verb } from '../common/protocol.ts'
import { header, ToChild } from './message.ts'

/** A session with a broker: resolves when the message has been handed to the network. */
export type Send = (frames: (Buffer | string)[]) => Promise<void>

/** The process that runs a call, as far as the call needs it. */
export interface Runner {
  write(chunks: Buffer[]): void
  pause(): void
  resume(): void
}

/** Bytes of a call's events that may wait for the network before its process is made to wait. */
const HIGH_WATER = 256 * 1024

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
  #waiting = 0
  #paused = false
  ended = false

  constructor(id: string, send: Send, onEnd: (call: Call) => void) {
    this.id = id
    this.#send = send
    this.#onEnd = onEnd
  }

  /** Begins the next of the two frames; `chunk` is its beginning or the whole. */
  frame(size: number, chunk: Buffer): void {
    this.#write([header(this.#frames++ === 0 ? ToChild.FUNCTION : ToChild.ARGUMENTS, size), chunk])
  }

  part(chunk: Buffer): void {
    this.#write([chunk])
  }

  /** Both frames at once. */
  frames(fn: Buffer, args: Buffer): void {
    this.#frames = 2
    this.#write([header(ToChild.FUNCTION, fn.length), fn, header(ToChild.ARGUMENTS, args.length), args])
  }

  #write(chunks: Buffer[]): void {
    if (this.#runner) this.#runner.write(chunks)
    else this.#held.push(...chunks)
  }

  /** Gives the call its process. */
  run(runner: Runner): void {
    this.#runner = runner
    if (this.#held.length > 0) runner.write(this.#held)
    this.#held = []
    if (this.#paused) runner.pause()
  }

  output(channel: Channel, text: string): void {
    this.#event('more', dataEvent(channel, text))
  }

  /** A pickled event, or a part of a large one (see Receive in message.ts). */
  item(part: Buffer, offset: number, size: number): void {
    if (size <= MAX_PART) this.#event('more', part)
    else if (offset > 0) this.#post([Verb.PART, this.id, part], part.length)
    else {
      this.#post([Verb.EVENT, this.id, 'more'], 0)
      this.#post([Verb.FRAME, this.id, String(size), part], part.length)
    }
  }

  /** The regular end. */
  done(): void {
    this.#final(endEvent())
  }

  cancelled(reason: string): void {
    this.#final(endEvent({ reason }))
  }

  fail(code: ErrorCode, detail?: string): void {
    this.#final(errorEvent(code, detail))
  }

  /** The end with an error event that is already pickled. */
  failWith(event: Buffer): void {
    this.#final(event)
  }

  /** The end without a word: the session is over. */
  abandon(): void {
    if (this.ended) return
    this.ended = true
    this.#onEnd(this)
  }

  #final(payload: Buffer): void {
    if (this.ended) return
    this.#event('final', payload)
    this.abandon()
  }

  #event(kind: 'more' | 'final', payload: Buffer): void {
    this.#post([Verb.EVENT, this.id, kind, payload], payload.length)
  }

  #post(frames: (Buffer | string)[], bytes: number): void {
    if (this.ended) return
    this.#waiting += bytes
    if (this.#waiting > HIGH_WATER && !this.#paused) {
      this.#paused = true
      this.#runner?.pause()
    }
    this.#send(frames).then(() => {
      this.#waiting -= bytes
      if (this.#paused && this.#waiting <= HIGH_WATER / 2) {
        this.#paused = false
        this.#runner?.resume()
      }
    })
  }
}
