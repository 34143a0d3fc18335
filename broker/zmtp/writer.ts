import type { Socket } from 'node:net'
import { BufferList, type Frame, retainsTooMuch } from './frame.ts'

/** Bytes that wait in all connections together, for the broker's total limit. */
export interface Budget {
  used: number
}

/** What the writer tells its connection. */
export interface WriterEvents {
  /** Less than half of the limit waits again, after it was reached. */
  drained(): void
}

/** Shorter pieces are copied behind one another into one write. */
const COPY_BELOW = 8 * 1024
const MIN_SLAB = 2 * 1024
const MAX_SLAB = 64 * 1024
/** Given to the socket at a time: small enough that a slow peer's progress is seen, large enough to cost nothing. */
const WRITE_BYTES = 512 * 1024

const MORE = 1
const LONG = 2
const NO_SLAB = Buffer.alloc(0)

/**
 * Puts frames into a connection's out-buffer. All frames of one turn of the event loop leave in one write, and while
 * a write is under way the next ones gather: the busier the peer, the fewer the system calls.
 */
export class Writer {
  readonly #socket: Socket
  readonly #budget: Budget
  readonly #limit: number
  readonly #events: WriterEvents
  #slab = NO_SLAB
  #slabStart = 0
  #slabEnd = 0
  #queue: Buffer[] = []
  #queued = 0
  #inFlight = 0
  #scheduled = false
  #above = false
  #closed = false
  /** When the write under way began (performance.now), in milliseconds. */
  #writingSince = 0

  constructor(socket: Socket, limit: number, budget: Budget, events: WriterEvents) {
    this.#socket = socket
    this.#limit = limit
    this.#budget = budget
    this.#events = events
  }

  /** Bytes that the peer has not taken yet. */
  get pending(): number {
    return this.#queued + this.#inFlight
  }

  /** Whether those are above the limit; drained() follows. */
  get isFull(): boolean {
    if (this.#queued + this.#inFlight <= this.#limit) return false
    this.#above = true
    return true
  }

  /** Milliseconds for which the peer has taken nothing of a write. */
  stalledFor(now: number): number {
    return this.#inFlight > 0 ? now - this.#writingSince : 0
  }

  /** A whole frame; the message goes on with another when `more`. */
  frame(frame: Frame, more: boolean): void {
    this.beginFrame(frame.length, more)
    this.data(frame)
  }

  /** A frame's header; data() calls with exactly `size` bytes must follow. */
  beginFrame(size: number, more: boolean): void {
    if (this.#closed) return
    this.#reserve(9)
    const slab = this.#slab
    let at = this.#slabEnd
    if (size < 256) {
      slab[at++] = more ? MORE : 0
      slab[at++] = size
    } else {
      slab[at++] = more ? MORE | LONG : LONG
      slab.writeUInt32BE(Math.floor(size / 2 ** 32), at)
      slab.writeUInt32BE(size % 2 ** 32, at + 4)
      at += 8
    }
    this.#count(at - this.#slabEnd)
    this.#slabEnd = at
  }

  /** Bytes as they are: of a frame begun, or of a whole command. */
  data(bytes: Frame): void {
    if (this.#closed) return
    if (bytes instanceof BufferList) {
      for (const piece of bytes.pieces) this.#append(piece)
    } else this.#append(bytes)
  }

  /** Forgets what waits. */
  close(): void {
    this.#closed = true
    this.#budget.used -= this.pending
    this.#queue = []
    this.#queued = 0
    this.#inFlight = 0
    this.#slab = NO_SLAB
    this.#slabStart = 0
    this.#slabEnd = 0
  }

  #append(piece: Buffer): void {
    const length = piece.length
    if (length <= COPY_BELOW || retainsTooMuch(piece)) {
      this.#reserve(length)
      this.#slab.set(piece, this.#slabEnd)
      this.#slabEnd += length
    } else {
      this.#seal()
      this.#queue.push(piece)
    }
    this.#count(length)
  }

  #count(bytes: number): void {
    this.#queued += bytes
    this.#budget.used += bytes
    if (this.#scheduled || this.#inFlight > 0) return
    this.#scheduled = true
    process.nextTick(this.#flush)
  }

  #reserve(bytes: number): void {
    if (this.#slab.length - this.#slabEnd >= bytes) return
    this.#seal()
    const size = Math.min(Math.max(this.#slab.length * 2, MIN_SLAB), MAX_SLAB)
    this.#slab = Buffer.allocUnsafeSlow(Math.max(size, bytes))
    this.#slabStart = 0
    this.#slabEnd = 0
  }

  #seal(): void {
    if (this.#slabEnd === this.#slabStart) return
    this.#queue.push(this.#slab.subarray(this.#slabStart, this.#slabEnd))
    this.#slabStart = this.#slabEnd
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#closed || this.#inFlight > 0) return
    this.#seal()
    const batch = this.#takeBatch()
    if (batch.length === 0) return
    this.#writingSince = performance.now()
    const last = batch.length - 1
    if (last > 0) this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(batch[i]!)
    this.#socket.write(batch[last]!, this.#written)
    if (last > 0) this.#socket.uncork()
  }

  #takeBatch(): Buffer[] {
    const queue = this.#queue
    let bytes = 0
    let count = 0
    while (count < queue.length && bytes < WRITE_BYTES) bytes += queue[count++]!.length
    this.#queued -= bytes
    this.#inFlight = bytes
    if (count === queue.length) {
      this.#queue = []
      return queue
    }
    return queue.splice(0, count)
  }

  readonly #written = (): void => {
    if (this.#closed) return
    this.#budget.used -= this.#inFlight
    this.#inFlight = 0
    if (this.#queued > 0) this.#flush()
    if (this.#above && this.pending * 2 < this.#limit) {
      this.#above = false
      this.#events.drained()
    }
  }
}
