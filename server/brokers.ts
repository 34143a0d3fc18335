import { isIP } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { addressesOf, formatAddress, type Lookup, parseAddress } from '../common/address.ts'
import type { ServerState } from '../common/protocol.ts'
import { BrokerLink, type BrokerLinkOptions } from './broker-link.ts'

/** Milliseconds until a name is looked up again of which a broker is missing: at first, and twice as long each time. */
const FIRST_WAIT = 1000
/** A name with more addresses than an installation has brokers is not theirs; each costs a socket, and sees the credential. */
export const MAX_BROKERS = 64

export interface BrokersOptions extends Omit<BrokerLinkOptions, 'address' | 'onUnreached' | 'onOver'> {
  /** tcp://host:port */
  addresses: readonly string[]
  /** Seconds between two look-ups of a name, while there is a connection to all that it names. */
  discoverySeconds: number
  lookup?: Lookup
  /** There is no connection to this broker; or no broker was found by this name. */
  onUnreached(address: string, reason: string): void
}

/** A host name of the settings, and the brokers that DNS has named last. */
interface Name {
  readonly host: string
  readonly port: number
  family: 0 | 4 | 6
  brokers: string[]
  /** What was said last of a look-up that failed. */
  told: string
}

/**
 * The links to all brokers. An IP address is a broker; a name is as many as it has addresses, and is looked up again and
 * again, since brokers come and go (S8). A connection that works is never given up because DNS lacks it. An address
 * without one is: it may be somebody else's by now, who is not to see the credential. A look-up that fails changes nothing.
 */
export class Brokers {
  readonly #options: BrokersOptions
  readonly #fixed: string[]
  readonly #names: Name[]
  readonly #links = new Map<string, BrokerLink>()
  readonly #leaving = new AbortController()
  /** All names have been looked up once. */
  readonly #found: Promise<unknown>
  /** No more links are made. */
  #complete = false
  /** It has been said that there are too many addresses. */
  #isFull = false

  constructor(options: BrokersOptions) {
    this.#options = options
    this.#fixed = options.addresses.filter((address) => isIP(parseAddress(address).host))
    this.#names = options.addresses
      .filter((address) => !this.#fixed.includes(address))
      .map((address) => ({ ...parseAddress(address), family: 0, brokers: [], told: '' }))
    this.#update()
    this.#found = Promise.all(this.#names.map((name) => this.#look(name)))
    for (const name of this.#names) void this.#watch(name)
  }

  /** Addresses of the brokers to which there is a connection, or is to be one. */
  get addresses(): string[] {
    return [...this.#links.keys()]
  }

  /** Tells all brokers how the server is. */
  state(state: ServerState): void {
    for (const link of this.#links.values()) link.state(state)
  }

  /** Asks for no new calls; resolves when each broker has closed its connection after the last one. */
  drain(reason: string): Promise<void> {
    return this.#leave((link) => link.drain(reason))
  }

  /** Makes no new connections; resolves when the brokers have closed theirs. */
  closedByBrokers(): Promise<void> {
    return this.#leave((link) => link.closedByBroker())
  }

  close(): void {
    this.#leaving.abort()
    this.#complete = true
    for (const link of this.#links.values()) link.close()
  }

  async #leave(how: (link: BrokerLink) => Promise<void>): Promise<void> {
    this.#leaving.abort()
    const left = new Map([...this.#links.values()].map((link) => [link, how(link)]))
    await this.#found // brokers have to be told of a failure that comes before they are known
    this.#complete = true
    await Promise.all([...this.#links.values()].map((link) => left.get(link) ?? how(link)))
  }

  async #watch(name: Name): Promise<void> {
    const { signal } = this.#leaving
    const longest = this.#options.discoverySeconds * 1000
    const rest = (milliseconds: number) =>
      pause(milliseconds * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
    await this.#found
    for (let wait = FIRST_WAIT; !signal.aborted; ) {
      if (this.#hasAll(name)) {
        wait = FIRST_WAIT
        const due = performance.now() + longest * (0.75 + Math.random() / 2)
        while (!signal.aborted && this.#hasAll(name) && performance.now() < due)
          await rest(Math.min(FIRST_WAIT, longest))
      } else {
        await rest(Math.min(wait, longest))
        wait *= 2
      }
      if (!signal.aborted) await this.#look(name)
    }
  }

  #hasAll({ brokers }: Name): boolean {
    return brokers.length > 0 && brokers.every((address) => this.#links.get(address)?.isConnected)
  }

  async #look(name: Name): Promise<void> {
    const { lookup, logger, onUnreached } = this.#options
    const { host, port, family } = name
    try {
      const found = await addressesOf(host, family, lookup)
      name.family = found.family // which alone is asked for from now on: half the questions
      name.told = ''
      name.brokers = found.addresses.map((address) => formatAddress(address, port))
      this.#update()
    } catch (error) {
      const { message: reason, code } = error as NodeJS.ErrnoException
      if (reason !== name.told) logger.warn({ name: host, reason }, 'the brokers cannot be looked up')
      name.told = reason
      name.family = 0
      if (code === 'ENOTFOUND') {
        name.brokers = []
        this.#update()
      }
      if (name.brokers.length === 0)
        onUnreached(formatAddress(host, port), `its name is not known: ${reason}`)
    }
  }

  /** Connects to brokers that are new, and forgets those that DNS has no more, once there is no connection to them. */
  #update(): void {
    if (this.#complete) return
    const listed = new Set([...this.#fixed, ...this.#names.flatMap(({ brokers }) => brokers)])
    for (const [address, link] of this.#links) {
      if (listed.has(address) || link.isConnected) continue
      link.close()
      this.#links.delete(address)
    }
    for (const address of listed) {
      if (this.#links.size >= MAX_BROKERS) break
      if (!this.#links.has(address)) this.#links.set(address, this.#link(address))
    }
    const isFull = listed.size > MAX_BROKERS
    if (isFull && !this.#isFull)
      this.#options.logger.warn({ addresses: listed.size, max: MAX_BROKERS }, 'too many addresses of brokers')
    this.#isFull = isFull
  }

  #link(address: string): BrokerLink {
    const { onUnreached, logger } = this.#options
    logger.info({ broker: address }, 'connecting to a broker')
    return new BrokerLink({
      ...this.#options,
      address,
      onOver: () => this.#update(),
      onUnreached: (reason) => onUnreached(address, reason),
    })
  }
}
