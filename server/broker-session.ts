import { Dealer } from 'zeromq'
import {
  PROTOCOL_VERSION,
  type ServerInfo,
  type ServerState,
  Verb,
  type Welcome,
} from '../common/protocol.ts'
import { Call } from './call.ts'

/** A broker that has not answered READY after this many milliseconds is tried again. */
const WELCOME_TIMEOUT = 10_000
/** Messages, of up to 1 MiB each, that libzmq may hold in each direction. */
const QUEUE = 16

export interface SessionOptions {
  /** tcp://host:port, the host an IP address. */
  address: string
  /** The server credential, read anew for each session. */
  credential(): string
  concurrency: number
  /** How the server is now. */
  current(): ServerState
  onCall(call: Call): void
  onCallEnd(call: Call): void
  /** The broker has taken this server. */
  onWelcome(): void
}

/** Why a session is over. */
export interface SessionEnd {
  reason: string
  welcomed: boolean
  /** The sentence of a REFUSED. */
  refused?: string
}

/**
 * One session with a broker, from READY on (docs/protocol.md, section 3). It has a socket of its own, which does not
 * connect again by itself: so nothing of an old session is ever sent before READY.
 */
export class BrokerSession {
  readonly #options: SessionOptions
  readonly #socket: Dealer
  readonly #calls = new Map<string, Call>()
  readonly #queue: { frames: (Buffer | string)[]; taken: () => void }[] = []
  #sending = false
  #welcomed = false
  #ended = false
  #heardAt = performance.now()
  #timer: NodeJS.Timeout
  #finish!: (end: SessionEnd) => void
  readonly over = new Promise<SessionEnd>((resolve) => {
    this.#finish = resolve
  })

  constructor(options: SessionOptions) {
    this.#options = options
    this.#socket = new Dealer({
      linger: 0,
      ipv6: options.address.startsWith('tcp://['),
      reconnectInterval: -1,
      sendHighWaterMark: QUEUE,
      receiveHighWaterMark: QUEUE,
    })
    this.#timer = setTimeout(() => this.end('it does not answer'), WELCOME_TIMEOUT)
    this.#socket.events.on('disconnect', () => this.end('it has closed the connection'))
    this.#socket.events.on('close', () => this.end('it cannot be reached'))
    try {
      const { state } = options.current()
      // The reason of a failure comes with its STATE, after the WELCOME.
      const info: ServerInfo = {
        concurrency: options.concurrency,
        state: state === 'failed' ? 'installing' : state,
      }
      this.#socket.connect(options.address)
      this.tell([Verb.READY, PROTOCOL_VERSION, options.credential(), JSON.stringify(info)])
      void this.#receive()
    } catch (error) {
      this.end((error as Error).message)
    }
  }

  /** The broker has taken this server, and the session is not over. */
  get isOpen(): boolean {
    return this.#welcomed && !this.#ended
  }

  async #receive(): Promise<void> {
    try {
      for await (const frames of this.#socket) {
        this.#heardAt = performance.now()
        const room = this.#take(frames as Buffer[])
        if (room) await room
      }
    } catch (error) {
      this.end((error as Error).message) // the socket's, or a message that is not as it should be
    }
  }

  /** Returns a promise when the next message should wait. */
  #take([verb, first, second, third]: Buffer[]): Promise<void> | undefined {
    const text = first?.toString('latin1') ?? ''
    switch (verb?.toString('latin1')) {
      case Verb.CALL:
        this.#start(text, second, third)
        return undefined
      case Verb.FRAME:
        return this.#calls.get(text)?.frame(Number(second), third!)
      case Verb.PART:
        return this.#calls.get(text)?.part(second!)
      case Verb.CANCEL:
        this.#calls.get(text)?.cancel(String(second ?? ''))
        return undefined
      case Verb.HEARTBEAT:
        return undefined
      case Verb.WELCOME:
        this.#welcome(JSON.parse(text))
        return undefined
      case Verb.REFUSED:
        this.end('it refuses this server', `${second} [${text}]`)
        return undefined
      default:
        throw new Error(`it sent ${verb}`)
    }
  }

  #start(id: string, fn: Buffer | undefined, args: Buffer | undefined): void {
    const call = new Call(
      id,
      (frames) => this.send(frames),
      () => {
        this.#calls.delete(id)
        this.#options.onCallEnd(call)
      },
    )
    this.#calls.set(id, call)
    if (fn && args) call.frames(fn, args)
    this.#options.onCall(call)
  }

  #welcome({ heartbeat, timeout }: Welcome): void {
    clearTimeout(this.#timer)
    this.#welcomed = true
    this.tell([Verb.STATE, JSON.stringify(this.#options.current())]) // it may have changed since READY
    this.#options.onWelcome()
    this.#timer = setInterval(() => {
      if (performance.now() - this.#heardAt > timeout * 1000) this.end('it is silent')
      else this.tell([Verb.HEARTBEAT])
    }, heartbeat * 1000)
  }

  /**
   * Sends without waiting. Before the WELCOME only READY is sent; the state follows it. Where the network takes less
   * than there is to say, only the latest state waits for it: the worker can report progress as fast as it likes.
   */
  tell(frames: (Buffer | string)[]): void {
    if (!this.#welcomed && frames[0] !== Verb.READY && frames[0] !== Verb.DRAIN) return
    const older = this.#queue.find((waiting) => waiting.frames[0] === Verb.STATE)
    if (older && frames[0] === Verb.STATE) older.frames = frames
    else void this.send(frames)
  }

  /** Resolves when libzmq has taken the message, or when the session is over. */
  send(frames: (Buffer | string)[]): Promise<void> {
    if (this.#ended) return Promise.resolve()
    return new Promise((taken) => {
      this.#queue.push({ frames, taken })
      if (!this.#sending) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    this.#sending = true
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        await this.#socket.send(next.frames)
        next.taken()
      }
    } catch (error) {
      this.end((error as Error).message)
    }
    this.#sending = false
  }

  /** Ends the session and, without a word, all its calls (S7). */
  end(reason: string, refused?: string): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#socket.close()
    for (const { taken } of this.#queue.splice(0)) taken()
    for (const call of [...this.#calls.values()]) call.abandon()
    this.#finish({ reason, welcomed: this.#welcomed, ...(refused === undefined ? {} : { refused }) })
  }
}
