import { borrow, giveBack } from './memory.ts'

/** Limits on what a peer may send, in bytes and frames (P5, P7). */
export interface ParserLimits {
  maxFrames: number
  maxMessageBytes: number
  maxCommandBytes: number
  /** A message that grows above this is handed on as a stream. */
  cutThroughBytes: number
}

/**
 * What the parser finds. A message is given whole, or as a stream from the frame on that made it too long to store:
 * streamBegin (frames so far), then for each frame frameBegin and at least one frameData, then streamEnd.
 * All bytes given are valid until the call returns (frame.ts).
 */
export interface ParserSink {
  message(frames: Buffer[]): void
  streamBegin(frames: Buffer[]): void
  frameBegin(size: number): void
  frameData(chunk: Buffer): void
  streamEnd(): void
  command(body: Buffer): void
  /** The bytes are not ZMTP, or break a limit. Nothing follows. `frames` are the ones before the offence. */
  fault(reason: Fault, frames: Buffer[]): void
}

export type Fault = 'malformed' | 'too_large' | 'too_many_frames'

const MORE = 1
const LONG = 2
const COMMAND = 4
const EMPTY = Buffer.alloc(0)

/**
 * Cuts the bytes of a connection into ZMTP frames and messages. Frames that came in one read are views of it.
 * Between two finds it can be halted; the rest of the read is kept until it is told to go on.
 */
export class Parser {
  readonly #sink: ParserSink
  readonly #limits: ParserLimits
  /** The frame in hand: its flags, and how many of its bytes are still to come; -1 between frames. */
  #flags = 0
  #left = -1
  /** A stored frame that did not come in one read: its memory, and how much of it is filled. */
  #partial: Buffer | undefined
  #filled = 0
  /** Memory of the message's frames that were such. */
  #borrowed: Buffer[] = []
  /** A header that was cut by the end of a read. */
  readonly #header = Buffer.alloc(9)
  #headerLength = 0
  #frames: Buffer[] = []
  /** How many of them are copies. */
  #kept = 0
  #frameCount = 0
  /** Declared bytes of the message's frames so far. */
  #messageBytes = 0
  #streaming = false
  /** A streamed frame whose frameBegin has not been given yet. */
  #opening = false
  #halted = false
  #stopped = false
  /** Bytes that came while halted: pieces of borrowed memory. */
  #rest: { memory: Buffer; bytes: Buffer }[] = []

  constructor(sink: ParserSink, limits: ParserLimits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Whether the last bytes seen ended a message, so that a close now breaks nothing. */
  get betweenMessages(): boolean {
    return this.#left < 0 && this.#headerLength === 0 && this.#frameCount === 0
  }

  /** Bytes held: of the stored part of an unfinished message, and of reads that came while halted. */
  get held(): number {
    let bytes = this.#streaming ? 0 : this.#messageBytes - Math.max(this.#left, 0)
    if ((this.#flags & COMMAND) !== 0 && this.#partial) bytes = this.#filled
    for (const rest of this.#rest) bytes += rest.bytes.length
    return bytes
  }

  halt(): void {
    this.#halted = true
  }

  /** Goes on with what was kept. */
  proceed(): void {
    this.#halted = false
    const rest = this.#rest
    this.#rest = []
    if (rest.length === 0) this.push(EMPTY)
    for (const { memory, bytes } of rest) {
      this.push(bytes)
      giveBack(memory)
    }
  }

  /** Forgets everything; further bytes are ignored. What was borrowed may be in use and is not given back. */
  stop(): void {
    this.#stopped = true
    this.#takeFrames()
    this.#partial = undefined
    this.#filled = 0
    this.#borrowed = []
    this.#rest = []
    this.#messageBytes = 0
    this.#left = -1
  }

  /** Takes the next read, which may be overwritten afterwards. */
  push(chunk: Buffer): void {
    this.#parse(chunk)
    // Of a message that is not complete, the views become copies.
    for (; this.#kept < this.#frames.length; this.#kept++)
      this.#frames[this.#kept] = Buffer.from(this.#frames[this.#kept]!)
  }

  #parse(chunk: Buffer): void {
    let at = 0
    const end = chunk.length
    while (!this.#stopped) {
      if (this.#halted) {
        if (at < end) this.#keepRest(chunk.subarray(at))
        return
      }
      if (this.#opening) {
        this.#opening = false
        this.#sink.frameBegin(this.#left)
      } else if (this.#left === 0) {
        // An empty frame is whole without further bytes.
        this.#finishFrame(EMPTY)
      } else if (at === end) {
        return
      } else {
        at = this.#left < 0 ? this.#readHeader(chunk, at, end) : this.#readBody(chunk, at, end)
      }
    }
  }

  #readHeader(chunk: Buffer, at: number, end: number): number {
    if (this.#headerLength > 0 || end - at < 9) return this.#readHeaderBytewise(chunk, at, end)
    const flags = chunk[at]!
    if ((flags & LONG) === 0) {
      this.#startFrame(flags, chunk[at + 1]!)
      return at + 2
    }
    this.#startFrame(flags, chunk.readUInt32BE(at + 1) * 2 ** 32 + chunk.readUInt32BE(at + 5))
    return at + 9
  }

  /** A header near the end of a read, which may go on in the next. */
  #readHeaderBytewise(chunk: Buffer, start: number, end: number): number {
    const header = this.#header
    let at = start
    while (at < end) {
      header[this.#headerLength++] = chunk[at++]!
      const long = (header[0]! & LONG) !== 0
      if (this.#headerLength < (long ? 9 : 2)) continue
      this.#headerLength = 0
      this.#startFrame(
        header[0]!,
        long ? header.readUInt32BE(1) * 2 ** 32 + header.readUInt32BE(5) : header[1]!,
      )
      return at
    }
    return at
  }

  #startFrame(flags: number, size: number): void {
    this.#flags = flags
    this.#left = size
    if (flags > (MORE | LONG) && flags !== COMMAND && flags !== (COMMAND | LONG))
      return this.#fail('malformed')
    if ((flags & COMMAND) !== 0) {
      // Commands stand between messages (P4).
      if (this.#frameCount > 0) return this.#fail('malformed')
      if (size > this.#limits.maxCommandBytes) return this.#fail('too_large')
    } else {
      if (++this.#frameCount > this.#limits.maxFrames) return this.#fail('too_many_frames')
      this.#messageBytes += size
      if (this.#messageBytes > this.#limits.maxMessageBytes) return this.#fail('too_large')
      if (!this.#streaming && this.#messageBytes > this.#limits.cutThroughBytes) {
        this.#streaming = true
        const frames = this.#takeFrames()
        this.#sink.streamBegin(frames)
      }
      this.#opening = this.#streaming
    }
  }

  #readBody(chunk: Buffer, at: number, end: number): number {
    const left = this.#left
    const available = end - at
    if (this.#streaming) return this.#passBody(chunk, at, Math.min(left, available))
    if (this.#partial === undefined && available >= left) {
      this.#finishFrame(chunk.subarray(at, at + left))
      return at + left
    }
    const taken = Math.min(left, available)
    this.#partial ??= borrow(left)
    chunk.copy(this.#partial, this.#filled, at, at + taken)
    this.#filled += taken
    this.#left = left - taken
    if (this.#left === 0) {
      const frame = this.#partial.subarray(0, this.#filled)
      this.#borrowed.push(this.#partial)
      // All frames before it were made copies at the end of an earlier read; this one needs none.
      if ((this.#flags & COMMAND) === 0) this.#kept++
      this.#partial = undefined
      this.#filled = 0
      this.#finishFrame(frame)
    }
    return at + taken
  }

  #passBody(chunk: Buffer, at: number, taken: number): number {
    this.#left -= taken
    this.#sink.frameData(chunk.subarray(at, at + taken))
    if (this.#left === 0) this.#endStreamedFrame()
    return at + taken
  }

  #finishFrame(frame: Buffer): void {
    if (this.#streaming) {
      this.#sink.frameData(EMPTY)
      return this.#endStreamedFrame()
    }
    this.#left = -1
    if ((this.#flags & COMMAND) !== 0) return this.#sink.command(frame)
    this.#frames.push(frame)
    if ((this.#flags & MORE) !== 0) return
    const frames = this.#takeFrames()
    const borrowed = this.#borrowed
    if (borrowed.length > 0) this.#borrowed = []
    this.#frameCount = 0
    this.#messageBytes = 0
    this.#sink.message(frames)
    for (const memory of borrowed) giveBack(memory)
  }

  #endStreamedFrame(): void {
    this.#left = -1
    if ((this.#flags & MORE) !== 0) return
    this.#streaming = false
    this.#frameCount = 0
    this.#messageBytes = 0
    this.#sink.streamEnd()
  }

  #keepRest(view: Buffer): void {
    const memory = borrow(view.length)
    memory.set(view)
    this.#rest.push({ memory, bytes: memory.subarray(0, view.length) })
  }

  #takeFrames(): Buffer[] {
    const frames = this.#frames
    this.#frames = []
    this.#kept = 0
    return frames
  }

  #fail(reason: Fault): void {
    const frames = this.#takeFrames()
    this.stop()
    this.#sink.fault(reason, frames)
  }
}
