import type { Socket } from 'node:net'
import { awakeTime } from '../clock.ts'
import { borrow, giveBack } from './memory.ts'

/** Bytes that wait in all connections together, for the broker's total limit. */
export interface Budget {
  used: number
}

/** What the writer tells its connection. */
export interface WriterEvents {
  /** Less than half of the limit waits again, after it was reached. */
  drained(): void
}

const SLAB_BYTES = 64 * 1024
/** Given to the socket at a time: small enough that a slow peer's progress is seen, large enough to cost nothing. */
const WRITE_BYTES = 512 * 1024
const MAX_HEADER = 9

const MORE = 1
const LONG = 2
const NO_SLAB = Buffer.alloc(0)

/** Bytes to write; `slab` when they are the last of it, so that it is free afterwards. */
interface Piece {
  bytes: Buffer
  slab: Buffer | undefined
}

/**
 * Puts frames into a connection's out-buffer, by copying: what is given may be changed right after. All frames of one
 * turn of the event loop leave in one write, and while a write is under way the next ones gather: the busier the
 * peer, the fewer the system calls.
 */
export class Writer {
  readonly #socket: Socket
  readonly #budget: Budget
  readonly #limit: number
  readonly #events: WriterEvents
  /** The slab in hand; [#start, #end) of it is not in the queue yet. */
  #slab: Buffer = NO_SLAB
  #start = 0
  #end = 0
  #queue: Piece[] = []
  #batch: Piece[] = []
  #queued = 0
  #inFlight = 0
  #scheduled = false
  #above = false
  #closed = false
  /** Bytes of the frame begun that data() has not given yet, and whether the message goes on after it. */
  #frameLeft = 0
  #more = false
  /** A command that came up in the middle of a message. */
  #command: Buffer | undefined
  /** When the write under way began (awakeTime). */
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

  /** A message has begun that the next data() or beginFrame() goes on with. */
  get isWithinMessage(): boolean {
    return this.#frameLeft > 0 || this.#more
  }

  /** Whether more is pending than the limit; drained() follows. */
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
  frame(body: Buffer, more: boolean): void {
    this.beginFrame(body.length, more)
    this.data(body)
  }

  /** A frame's header; data() calls with exactly `size` bytes must follow. */
  beginFrame(size: number, more: boolean): void {
    if (this.#closed) return
    if (this.#slab.length - this.#end < MAX_HEADER) this.#nextSlab()
    const slab = this.#slab
    let at = this.#end
    if (size < 256) {
      slab[at++] = more ? MORE : 0
      slab[at++] = size
    } else {
      slab[at++] = more ? MORE | LONG : LONG
      slab.writeUInt32BE(Math.floor(size / 2 ** 32), at)
      slab.writeUInt32BE(size % 2 ** 32, at + 4)
      at += 8
    }
    this.#count(at - this.#end)
    this.#end = at
    this.#frameLeft = size
    this.#more = more
  }

  /** Bytes of the frame begun. */
  data(bytes: Buffer): void {
    if (this.#closed) return
    this.#append(bytes)
    this.#frameLeft -= bytes.length
    if (this.#command !== undefined && this.#frameLeft === 0 && !this.#more) {
      this.#append(this.#command)
      this.#command = undefined
    }
  }

  /**
   * A whole greeting or command. In the middle of a message it waits for the end (P4), the latest of several: one PONG
   * says as much as many.
   */
  command(bytes: Buffer): void {
    if (this.#closed) return
    if (this.isWithinMessage) this.#command = bytes
    else this.#append(bytes)
  }

  /** Forgets what waits. The slabs of a write under way still belong to the socket. */
  close(): void {
    this.#closed = true
    this.#budget.used -= this.pending
    this.#queue = []
    this.#batch = []
    this.#queued = 0
    this.#inFlight = 0
    this.#slab = NO_SLAB
    this.#start = 0
    this.#end = 0
  }

  #append(bytes: Buffer): void {
    const { length } = bytes
    if (length <= this.#slab.length - this.#end) {
      this.#slab.set(bytes, this.#end)
      this.#end += length
    } else this.#spread(bytes)
    this.#count(length)
  }

  #spread(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#end === this.#slab.length) this.#nextSlab()
      const taken = Math.min(bytes.length - at, this.#slab.length - this.#end)
      bytes.copy(this.#slab, this.#end, at, at + taken)
      this.#end += taken
      at += taken
    }
  }

  #count(bytes: number): void {
    this.#queued += bytes
    this.#budget.used += bytes
    if (this.#scheduled || this.#inFlight > 0) return
    this.#scheduled = true
    process.nextTick(this.#flush)
  }

  #nextSlab(): void {
    if (this.#slab !== NO_SLAB) this.#seal(this.#slab)
    this.#slab = borrow(SLAB_BYTES)
    this.#start = 0
    this.#end = 0
  }

  #seal(slab?: Buffer): void {
    if (this.#end === this.#start && slab === undefined) return
    this.#queue.push({ bytes: this.#slab.subarray(this.#start, this.#end), slab })
    this.#start = this.#end
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#closed || this.#inFlight > 0) return
    this.#seal()
    const batch = this.#takeBatch()
    if (batch.length === 0) return
    this.#writingSince = awakeTime()
    const last = batch.length - 1
    if (last > 0) this.#socket.cork()
    for (let i = 0; i < last; i++) this.#socket.write(batch[i]!.bytes)
    this.#socket.write(batch[last]!.bytes, this.#written)
    if (last > 0) this.#socket.uncork()
  }

  #takeBatch(): Piece[] {
    const queue = this.#queue
    let bytes = 0
    let count = 0
    while (count < queue.length && bytes < WRITE_BYTES) bytes += queue[count++]!.bytes.length
    this.#queued -= bytes
    this.#inFlight = bytes
    this.#queue = count === queue.length ? [] : queue.slice(count)
    if (count < queue.length) queue.length = count
    this.#batch = queue
    return queue
  }

  readonly #written = (): void => {
    if (this.#closed) return
    this.#budget.used -= this.#inFlight
    this.#inFlight = 0
    for (const { slab } of this.#batch) if (slab !== undefined) giveBack(slab)
    this.#batch = []
    if (this.#queued > 0) this.#flush()
    else this.#rest()
    if (this.#above && this.pending * 2 < this.#limit) {
      this.#above = false
      this.#events.drained()
    }
  }

  /** Everything has been taken: the slab in hand is free, too, so that idle connections have none. */
  #rest(): void {
    if (this.#slab !== NO_SLAB) giveBack(this.#slab)
    this.#slab = NO_SLAB
    this.#start = 0
    this.#end = 0
  }
}
