import type { Socket } from 'node:net'
import { awakeTime } from '../clock.ts'
import { encodeCommand, parseCommand } from './command.ts'
import { encodeGreeting, GREETING_BYTES, maybeGreeting, parseGreeting } from './greeting.ts'
import { encodeReason, HandshakeError, type Mechanism } from './mechanism.ts'
import { type Fault, Parser, type ParserLimits, type ParserSink } from './parser.ts'
import { readShared } from './reader.ts'
import { type Budget, Writer } from './writer.ts'

/** Limits of one connection: bytes, frames, and times in milliseconds. */
export interface ConnectionLimits extends ParserLimits {
  /** Bytes that may wait for the peer before those who feed it are paused (P6). */
  outBytes: number
  /** Bytes that may wait in all connections together. */
  totalBytes: number
  handshakeTime: number
  /** Silence after which a peer of 3.1 is sent PING, and after which it is closed when nothing comes (P4). */
  pingTime: number
  pingTimeout: number
  /** Time for which a peer may leave a write untaken before it is called stalled. */
  stallTime: number
}

/** How a handshake ended that did not succeed: the peer says what ZMTP does not, says nothing in time, or leaves. */
export type FailedHandshake = 'malformed' | 'time_out' | 'left'

/** What a connection tells the one who uses it, from the end of the handshake on. Parser's finds, and: */
export interface Session extends Omit<ParserSink, 'command'> {
  /** The peer takes bytes again after connection.isFull was true. */
  drained(): void
  /** The peer has taken nothing for the stall time; after twice that time it is closed. May be called again. */
  stalled(): void
  /** The connection is gone; called once. */
  closed(reason: string): void
}

/** One peer: handshake, messages both ways, PING, limits. A session exists only after the handshake. */
export class Connection implements ParserSink {
  readonly address: string
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #budget: Budget
  readonly #mechanism: Mechanism
  readonly #parser: Parser
  readonly #writer: Writer
  readonly #open: (connection: Connection) => Session
  readonly #whenClosed: (connection: Connection) => void
  #greeting: Buffer | undefined = Buffer.alloc(0)
  #hasPing = false
  #session: Session | undefined
  readonly #openedAt = awakeTime()
  #lastRead = this.#openedAt
  /** When the PING was sent that has not been answered by anything (awakeTime). */
  #pingSentAt: number | undefined
  /** The Parser's bytes that are counted in the budget. */
  #held = 0
  #holds = 0
  /** Set by end(): when the connection is closed whatever is left (awakeTime). */
  #endBy: number | undefined
  #closed = false
  /** Set until the session begins, and for good when it never does. */
  failedHandshake: FailedHandshake | undefined = 'left'
  #reason = 'closed by peer'

  /** `accepted` has not been read from (pauseOnConnect). */
  constructor(
    accepted: Socket,
    options: {
      limits: ConnectionLimits
      budget: Budget
      mechanism: Mechanism
      open: (connection: Connection) => Session
      closed: (connection: Connection) => void
    },
  ) {
    const socket = readShared(accepted, (chunk) => this.#read(chunk))
    this.#socket = socket
    this.address = socket.remoteAddress ?? ''
    this.#limits = options.limits
    this.#budget = options.budget
    this.#mechanism = options.mechanism
    this.#open = options.open
    this.#whenClosed = options.closed
    this.#parser = new Parser(this, options.limits)
    this.#writer = new Writer(socket, options.limits.outBytes, options.budget, {
      drained: () => this.#session?.drained(),
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    socket.on('error', (error: NodeJS.ErrnoException) => this.destroy(error.code ?? 'socket error'))
    socket.on('end', () => this.destroy('closed by peer'))
    socket.on('close', () => this.destroy('closed by peer'))
    this.#writer.command(encodeGreeting(options.mechanism.name))
    socket.resume()
  }

  // --- out

  /** A frame of a message; the last one of a message has `more` false. */
  frame(frame: Buffer, more: boolean): void {
    this.#writer.frame(frame, more)
  }

  /** The header of a frame whose `size` bytes follow by data(). */
  beginFrame(size: number, more: boolean): void {
    this.#writer.beginFrame(size, more)
  }

  data(bytes: Buffer): void {
    this.#writer.data(bytes)
  }

  /** Whether more waits for the peer than may; drained() is called when it has taken most of it. */
  get isFull(): boolean {
    return this.#writer.isFull
  }

  // --- in

  /** Stops reading, until release() has been called as often. Bytes that came already are kept. */
  hold(): void {
    if (this.#holds++ > 0) return
    this.#parser.halt()
    this.#socket.pause()
  }

  release(): void {
    if (--this.#holds > 0 || this.#closed) return
    // A peer that was not listened to has not been silent (S6).
    this.#lastRead = awakeTime()
    this.#pingSentAt = undefined
    this.#parser.proceed()
    this.#countHeld()
    if (this.#holds === 0) this.#socket.resume()
  }

  get isHeld(): boolean {
    return this.#holds > 0
  }

  /** In its handshake, within a message, or with bytes that wait for the peer. */
  get isBusy(): boolean {
    return this.#session === undefined || this.#parser.held > 0 || this.#writer.pending > 0
  }

  // --- end

  /**
   * Ends the connection after what waits has been taken, at the latest after `time` milliseconds. What still comes is
   * read and dropped: closing with unread bytes would make TCP take back the last words.
   */
  end(reason: string, time: number): void {
    if (this.#closed || this.#endBy !== undefined) return
    this.#reason = reason
    this.#endBy = awakeTime() + time
    this.#parser.stop()
    this.#countHeld()
    this.#socket.resume()
    this.#leave()
    this.#endWhenWritten()
  }

  /** Closes at once. */
  destroy(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#endBy === undefined) this.#reason = reason
    this.#parser.stop()
    this.#countHeld()
    this.#writer.close()
    this.#socket.destroy()
    this.#leave()
    this.#whenClosed(this)
  }

  /** Watches the times; called a few times a second. */
  tick(now: number): void {
    if (this.#endBy !== undefined) {
      if (now > this.#endBy) this.destroy(this.#reason)
      else this.#endWhenWritten()
      return
    }
    const { handshakeTime, pingTime, pingTimeout, stallTime } = this.#limits
    if (this.#session === undefined) {
      if (now - this.#openedAt > handshakeTime) this.#failHandshake('handshake time-out', 'time_out')
      return
    }
    const stalled = this.#writer.stalledFor(now)
    if (stalled > stallTime * 2) return this.destroy('does not read')
    if (stalled > stallTime) return this.#session.stalled()
    // While bytes wait for the peer, or in the middle of a message, a PING would wait: the stall time counts.
    if (!this.#hasPing || this.isHeld || this.#writer.pending > 0 || this.#writer.isWithinMessage) return
    if (this.#pingSentAt !== undefined) {
      if (now - this.#pingSentAt > pingTimeout) this.destroy('silent')
    } else if (now - this.#lastRead > pingTime) {
      this.#pingSentAt = now
      this.#writer.command(encodeCommand('PING', Buffer.alloc(2)))
    }
  }

  // --- the parser's finds

  message(frames: Buffer[]): void {
    if (this.#session === undefined) this.#refuse('message before READY')
    else this.#session.message(frames)
  }

  streamBegin(frames: Buffer[]): void {
    if (this.#session === undefined) this.#refuse('message before READY')
    else this.#session.streamBegin(frames)
  }

  frameBegin(size: number): void {
    this.#session?.frameBegin(size)
  }

  frameData(chunk: Buffer): void {
    this.#session?.frameData(chunk)
  }

  streamEnd(): void {
    this.#session?.streamEnd()
  }

  fault(reason: Fault, frames: Buffer[]): void {
    if (this.#session === undefined) this.#failHandshake(`handshake: ${reason}`)
    else this.#session.fault(reason, frames)
  }

  command(body: Buffer): void {
    const command = parseCommand(body)
    if (command === undefined) return this.#failHandshake('malformed command')
    if (this.#session === undefined) return this.#handshake(command)
    // PING: a time to live of 2 bytes, then a context of at most 16 that PONG gives back.
    if (command.name === 'PING' && !this.#writer.isFull)
      this.#writer.command(encodeCommand('PONG', command.data.subarray(2, 18)))
    else if (command.name === 'ERROR') this.destroy('ERROR by peer')
  }

  // --- inner

  #read(chunk: Buffer): void {
    this.#lastRead = awakeTime()
    this.#pingSentAt = undefined
    if (this.#endBy !== undefined) return
    if (this.#greeting !== undefined) this.#greet(chunk)
    else this.#parser.push(chunk)
    this.#countHeld()
  }

  #greet(chunk: Buffer): void {
    const bytes = Buffer.concat([this.#greeting!, chunk])
    if (!maybeGreeting(bytes)) return this.#failHandshake('not ZMTP 3')
    this.#greeting = bytes
    if (bytes.length < GREETING_BYTES) return
    this.#greeting = undefined
    const { hasPing, mechanism } = parseGreeting(bytes)
    if (mechanism !== this.#mechanism.name) return this.#refuse('Mechanism not supported')
    this.#hasPing = hasPing
    this.#parser.push(bytes.subarray(GREETING_BYTES))
  }

  #handshake(command: NonNullable<ReturnType<typeof parseCommand>>): void {
    try {
      const { answer, done } = this.#mechanism.receive(command)
      if (answer) this.#writer.command(answer)
      if (!done) return
      this.failedHandshake = undefined
      this.#session = this.#open(this)
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error
      this.#refuse(error.message)
    }
  }

  #failHandshake(reason: string, how: FailedHandshake = 'malformed'): void {
    if (this.failedHandshake !== undefined) this.failedHandshake = how
    this.destroy(reason)
  }

  #refuse(reason: string): void {
    this.failedHandshake = 'malformed'
    this.#writer.command(encodeCommand('ERROR', encodeReason(reason)))
    this.end(reason, this.#limits.handshakeTime)
  }

  /** Counts the parser's bytes in the total, and closes the peer that brings more than there is room for (P5). */
  #countHeld(): void {
    const held = this.#parser.held
    if (held === this.#held) return
    this.#budget.used += held - this.#held
    const grown = held > this.#held
    this.#held = held
    if (grown && this.#budget.used > this.#limits.totalBytes) this.destroy('total of buffered bytes reached')
  }

  #endWhenWritten(): void {
    if (this.#writer.pending === 0) this.#socket.end()
  }

  #leave(): void {
    const session = this.#session
    this.#session = undefined
    session?.closed(this.#reason)
  }
}
