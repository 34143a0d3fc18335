import { Dealer } from 'zeromq'
import type { Logger } from '../common/logger.ts'
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
/** Pauses between attempts, in milliseconds: the first, and the longest. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000
/** Messages, of up to 1 MiB each, that libzmq holds for the network. */
const SEND_QUEUE = 16

export interface BrokerLinkOptions {
  address: string
  credential(): string
  info(): ServerInfo
  logger: Logger
  onCall(call: Call): void
  onCallEnd(call: Call): void
  onRefused(code: string, sentence: string): void
}

/**
 * The connection to one broker (docs/protocol.md, section 3). Every session has a socket of its own, so that nothing
 * of an old session is ever sent before READY.
 */
export class BrokerLink {
  readonly #options: BrokerLinkOptions
  #session: Session | undefined
  #closed = false
  #retry: NodeJS.Timeout | undefined

  constructor(options: BrokerLinkOptions) {
    this.#options = options
    void this.#run()
  }

  async #run(): Promise<void> {
    let pause = FIRST_PAUSE
    while (!this.#closed) {
      this.#session = new Session(this.#options)
      const { welcomed, reason } = await this.#session.over
      if (this.#closed) return
      this.#options.logger.warn({ broker: this.#options.address, reason }, 'connection to the broker ended')
      pause = welcomed ? FIRST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE)
      await new Promise<void>((resolve) => {
        this.#retry = setTimeout(resolve, pause * (0.75 + Math.random() / 2))
      })
    }
  }

  /** Tells the broker how the server is. */
  state(state: ServerState): void {
    this.#session?.send([Verb.STATE, JSON.stringify(state)])
  }

  /** Asks for no new calls; resolves when the broker has closed the connection after the last call. */
  async drain(reason: string): Promise<void> {
    this.#closed = true
    this.#session?.send([Verb.DRAIN, reason])
    await this.#session?.over
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#session?.end('closed')
  }
}

class Session {
  readonly #options: BrokerLinkOptions
  readonly #socket = new Dealer({
    linger: 0,
    reconnectInterval: -1,
    sendHighWaterMark: SEND_QUEUE,
    receiveHighWaterMark: SEND_QUEUE,
    sendTimeout: -1,
  })
  readonly #calls = new Map<string, Call>()
  #queue: { frames: (Buffer | string)[]; sent: () => void }[] = []
  #sending = false
  #welcomed = false
  #ended = false
  #lastHeard = Date.now()
  #timer: NodeJS.Timeout | undefined
  #resolve!: (end: { welcomed: boolean; reason: string }) => void
  readonly over = new Promise<{ welcomed: boolean; reason: string }>((resolve) => {
    this.#resolve = resolve
  })

  constructor(options: BrokerLinkOptions) {
    this.#options = options
    this.#socket.events.on('disconnect', () => this.end('the broker closed the connection'))
    this.#socket.events.on('close', () => this.end('no connection'))
    this.#timer = setTimeout(() => this.end('the broker did not answer'), WELCOME_TIMEOUT)
    this.#socket.connect(options.address)
    void this.send([Verb.READY, PROTOCOL_VERSION, options.credential(), JSON.stringify(options.info())])
    void this.#receive()
  }

  async #receive(): Promise<void> {
    try {
      for await (const frames of this.#socket) {
        this.#lastHeard = Date.now()
        this.#take(frames as Buffer[])
        if (this.#ended) return
      }
    } catch (error) {
      this.end(String((error as Error).message))
    }
  }

  #take([verb, first, second, third]: Buffer[]): void {
    switch (verb?.toString('latin1')) {
      case Verb.CALL: {
        const call = new Call(
          first!.toString('latin1'),
          (frames) => this.send(frames),
          (ended) => {
            this.#calls.delete(ended.id)
            this.#options.onCallEnd(ended)
          },
        )
        this.#calls.set(call.id, call)
        if (second && third) call.frames(second, third)
        this.#options.onCall(call)
        break
      }
      case Verb.FRAME:
        this.#calls.get(first!.toString('latin1'))?.frame(Number(second), third!)
        break
      case Verb.PART:
        this.#calls.get(first!.toString('latin1'))?.part(second!)
        break
      case Verb.CANCEL:
        this.#calls.get(first!.toString('latin1'))?.cancelled(String(second ?? ''))
        break
      case Verb.HEARTBEAT:
        break
      case Verb.WELCOME:
        this.#welcome(JSON.parse(String(first)))
        break
      case Verb.REFUSED:
        this.#options.onRefused(String(first), String(second))
        this.end('refused')
        break
      default:
        this.end(`unknown message ${verb}`)
    }
  }

  #welcome({ heartbeat, timeout }: Welcome): void {
    clearTimeout(this.#timer)
    this.#welcomed = true
    this.#timer = setInterval(() => {
      if (Date.now() - this.#lastHeard > timeout * 1000) this.end('the broker is silent')
      else void this.send([Verb.HEARTBEAT])
    }, heartbeat * 1000)
  }

  /** Resolves when the message has been handed to libzmq, or when the session is over. */
  send(frames: (Buffer | string)[]): Promise<void> {
    if (this.#ended) return Promise.resolve()
    return new Promise((sent) => {
      this.#queue.push({ frames, sent })
      if (!this.#sending) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    this.#sending = true
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
        await this.#socket.send(next.frames)
        next.sent()
      }
    } catch (error) {
      this.end(String((error as Error).message))
    }
    this.#sending = false
  }

  end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#socket.close()
    for (const { sent } of this.#queue.splice(0)) sent()
    for (const call of [...this.#calls.values()]) call.abandon()
    this.#resolve({ welcomed: this.#welcomed, reason })
  }
}
