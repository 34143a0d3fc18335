import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from '../common/logger.ts'
import { type ServerState, Verb } from '../common/protocol.ts'
import { BrokerSession, type SessionOptions } from './broker-session.ts'

/**
 * Pauses between attempts, in milliseconds, each give or take a quarter: the first, and the longest. Calls that come to
 * a broker that is back wait for so long; and all servers of an installation come within that time.
 */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 2000

export interface BrokerLinkOptions extends SessionOptions {
  logger: Logger
  /** A session is over, and the next one has not begun: the link may be closed. */
  onOver(): void
  /** An attempt has failed. */
  onUnreached(reason: string): void
  /** The broker does not want this server, now or later. */
  onRefused(sentence: string): void
}

/** The connection to one broker, made again after every loss (S7), each time as a session of its own. */
export class BrokerLink {
  readonly #options: BrokerLinkOptions
  readonly #ended = new AbortController()
  #session: BrokerSession

  constructor(options: BrokerLinkOptions) {
    this.#options = options
    this.#session = new BrokerSession(options)
    void this.#run()
  }

  async #run(): Promise<void> {
    const { address, logger, onOver, onRefused, onUnreached } = this.#options
    const { signal } = this.#ended
    let told = ''
    for (let wait = FIRST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      const { reason, welcomed, refused } = await this.#session.over
      if (signal.aborted) return
      if (welcomed || reason !== told) logger.warn({ broker: address, reason }, 'no connection to the broker')
      told = reason
      if (refused !== undefined) return onRefused(refused)
      if (welcomed) wait = FIRST_PAUSE
      else onUnreached(reason)
      onOver()
      await pause(wait * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      this.#session = new BrokerSession(this.#options)
    }
  }

  get isConnected(): boolean {
    return this.#session.isOpen
  }

  /** Tells the broker how the server is. A new session says so by itself. */
  state(state: ServerState): void {
    this.#session.tell([Verb.STATE, JSON.stringify(state)])
  }

  /** Asks for no new calls. The broker closes the connection after the last one; then this resolves. */
  async drain(reason: string): Promise<void> {
    this.#session.tell([Verb.DRAIN, reason])
    await this.closedByBroker()
  }

  /** Makes no new connections; resolves when the broker has closed this one. */
  async closedByBroker(): Promise<void> {
    this.#ended.abort()
    await this.#session.over
  }

  close(): void {
    this.#ended.abort()
    this.#session.end('closed')
  }
}
