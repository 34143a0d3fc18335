import type { Connection } from './zmtp/connection.ts'
import { keep } from './zmtp/frame.ts'
import type { Budget } from './zmtp/writer.ts'

/** Whom an event is for: the frames before the empty delimiter. */
export interface Addressee {
  readonly envelope: readonly Buffer[]
}

/** A step of writing an event: whole (payload), or begin (size), data (bytes) and end of a streamed one. */
type Step =
  | { step: 'whole' | 'data'; to: Addressee; bytes: Buffer }
  | { step: 'begin'; to: Addressee; size: number }
  | { step: 'end'; to: Addressee }

const EMPTY = Buffer.alloc(0)
const ZEROS = Buffer.alloc(64 * 1024)

/**
 * Writes events to one client. A streamed event is one ZMTP frame whose bytes follow as they come from the server, so
 * until it is complete no other event can be written: the steps of those wait behind it.
 */
export class Lane {
  readonly #connection: Connection
  readonly #budget: Budget
  readonly #limit: number
  /** Whose frame is open, and how many of its bytes have not been written. */
  #open: Addressee | undefined
  #left = 0
  /** The open frame's source is lost: it is filled up with zeros as fast as the client takes them. */
  #filling = false
  #behind: Step[] = []
  #behindBytes = 0

  constructor(connection: Connection, budget: Budget, limit: number) {
    this.#connection = connection
    this.#budget = budget
    this.#limit = limit
  }

  /** More waits behind an open frame than may. Pausing the server cannot help: the frame comes from there too. */
  get isCrowded(): boolean {
    return this.#behindBytes > this.#limit
  }

  whole(to: Addressee, payload: Buffer): void {
    if (this.#open !== undefined) return this.#wait({ step: 'whole', to, bytes: keep(payload) })
    this.#head(to)
    this.#connection.frame(payload, false)
  }

  /** The frame of a streamed event has `size` bytes, which follow by data(). */
  begin(to: Addressee, size: number): void {
    if (this.#open !== undefined) return this.#wait({ step: 'begin', to, size })
    this.#open = to
    this.#left = size
    this.#head(to)
    this.#connection.beginFrame(size, false)
  }

  data(to: Addressee, bytes: Buffer): void {
    if (this.#open !== to) return this.#wait({ step: 'data', to, bytes: keep(bytes) })
    this.#left -= bytes.length
    this.#connection.data(bytes)
  }

  end(to: Addressee): void {
    if (this.#open !== to) return this.#wait({ step: 'end', to })
    this.#open = undefined
    this.#replay()
  }

  /**
   * No more comes for this addressee but `last`, a whole event. A frame that is open is completed with zeros: a zero
   * is no opcode of pickle, so a client that reads it raises. (Were the connection closed instead, libzmq would
   * connect again and the client wait for ever.)
   */
  abort(to: Addressee, last: Buffer): void {
    const behind = this.#behind
    this.#clearBehind()
    const complete = behind.findLastIndex(
      ({ to: whom, step }) => whom === to && (step === 'whole' || step === 'end'),
    )
    for (const [at, step] of behind.entries()) if (step.to !== to || at <= complete) this.#wait(step)
    if (this.#open === to) {
      this.#filling = true
      this.#behind.unshift({ step: 'whole', to, bytes: last })
      this.#count(last.length)
      this.drained()
    } else this.whole(to, last)
  }

  /** The client takes bytes again. */
  drained(): void {
    if (!this.#filling) return
    while (this.#left > 0 && !this.#connection.isFull) {
      const bytes = Math.min(this.#left, ZEROS.length)
      this.#connection.data(bytes === ZEROS.length ? ZEROS : ZEROS.subarray(0, bytes))
      this.#left -= bytes
    }
    if (this.#left > 0) return
    this.#filling = false
    this.#open = undefined
    this.#replay()
  }

  /** Forgets what waits: the client is gone. */
  close(): void {
    this.#clearBehind()
    this.#filling = false
  }

  #head(to: Addressee): void {
    for (const frame of to.envelope) this.#connection.frame(frame, true)
    this.#connection.frame(EMPTY, true)
  }

  #wait(step: Step): void {
    this.#behind.push(step)
    if ('bytes' in step) this.#count(step.bytes.length)
  }

  #count(bytes: number): void {
    this.#behindBytes += bytes
    this.#budget.used += bytes
  }

  #clearBehind(): void {
    this.#budget.used -= this.#behindBytes
    this.#behindBytes = 0
    this.#behind = []
  }

  /** Takes the steps again in their order; those behind the next open frame come back to wait. */
  #replay(): void {
    const steps = this.#behind
    if (steps.length === 0) return
    this.#clearBehind()
    for (const step of steps) {
      if (step.step === 'whole') this.whole(step.to, step.bytes)
      else if (step.step === 'begin') this.begin(step.to, step.size)
      else if (step.step === 'data') this.data(step.to, step.bytes)
      else this.end(step.to)
    }
  }
}
