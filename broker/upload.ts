import type { Call } from './call.ts'

/** A call's message has two frames after the token. */
const FRAMES = 2

/** A call that is too long to be stored: its frames go to the server as FRAME and PARTs while they come (P7). */
export class Upload {
  readonly call: Call
  #frames: number
  /** Of the frame in hand, until its FRAME is sent. */
  #size: number | undefined
  #waits = false

  /** `call.body` holds the frames that were complete before. */
  constructor(call: Call) {
    this.call = call
    this.#frames = call.body.length
  }

  /** All frames of a call have begun, so at the end of the message nothing is missing. */
  get isComplete(): boolean {
    return this.#frames === FRAMES
  }

  /** Lets the rest of the message stay with the client until go(). */
  wait(): void {
    this.#waits = true
    this.call.client.connection.hold()
  }

  /** A server has taken the call, or it is over and the rest is dropped. */
  go(): void {
    if (!this.#waits) return
    this.#waits = false
    // Not at once: what comes may be the next call, and the router is still busy with this one.
    setImmediate(() => this.call.client.connection.release())
  }

  /** False when the message has too many frames for a call. */
  begin(size: number): boolean {
    this.#size = size
    return ++this.#frames <= FRAMES
  }

  data(chunk: Buffer): void {
    const { call } = this
    if (call.over || call.server === undefined) return
    call.server.part(call, this.#size, chunk)
    this.#size = undefined
  }
}
