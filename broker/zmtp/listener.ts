import { createServer, type Server, type Socket } from 'node:net'
import { awakeTime } from '../clock.ts'
import { Connection, type ConnectionLimits, type FailedHandshake, type Session } from './connection.ts'
import type { Mechanism } from './mechanism.ts'
import type { Budget } from './writer.ts'

/** Why a connection has no session. */
export type Unopened = 'max_connections' | 'max_per_address' | FailedHandshake

/** How often the times of all connections are looked at, in milliseconds. */
const TICK = 200

export interface ListenerOptions {
  host: string
  /** 0: any free one. */
  port: number
  maxConnections: number
  maxPerAddress: number
  limits: ConnectionLimits
  budget: Budget
  mechanism: () => Mechanism
  /** Makes the session of a peer that has passed the handshake. */
  open: (connection: Connection) => Session
  /** A connection was closed before its session: above a limit, or in its handshake. */
  unopened: (address: string, reason: Unopened) => void
}

/** A port that speaks ZMTP (docs/protocol.md, section 1). */
export class Listener {
  readonly #options: ListenerOptions
  readonly #connections = new Set<Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #server: Server
  #ticks: NodeJS.Timeout | undefined
  #whenEmpty: () => void = () => {}

  constructor(options: ListenerOptions) {
    this.#options = options
    this.#server = createServer({ pauseOnConnect: true }, (socket) => this.#accept(socket))
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Resolves with the address when it listens, as tcp://host:port. */
  async listen(): Promise<string> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.on('error', reject).listen({ host, port, backlog: 1024 }, resolve)
    })
    this.#ticks = setInterval(() => {
      const now = awakeTime()
      for (const connection of this.#connections) connection.tick(now)
    }, TICK)
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('A TCP port has an address.')
    return `tcp://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
  }

  /** Whether a handshake, a message or bytes for a peer are under way. */
  get isBusy(): boolean {
    return [...this.#connections].some((connection) => connection.isBusy)
  }

  /** Takes no new connections: the port is free at once. The ones there are go on. */
  stopAccepting(): void {
    this.#server.close()
  }

  /** Takes no new connections. Resolves when the ones there are have been closed, at the latest after `time`. */
  async close(reason: string, time: number): Promise<void> {
    this.#server.close()
    for (const connection of this.#connections) connection.end(reason, time)
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#whenEmpty = resolve))
    clearInterval(this.#ticks)
  }

  #accept(socket: Socket): void {
    const { maxConnections, maxPerAddress, limits, budget, mechanism, open, unopened } = this.#options
    const address = socket.remoteAddress ?? ''
    const count = this.#perAddress.get(address) ?? 0
    if (this.#connections.size >= maxConnections || count >= maxPerAddress) {
      socket.on('error', () => {}).destroy()
      return unopened(address, count >= maxPerAddress ? 'max_per_address' : 'max_connections')
    }
    this.#perAddress.set(address, count + 1)
    const closed = (connection: Connection) => {
      this.#connections.delete(connection)
      const left = this.#perAddress.get(address)! - 1
      if (left === 0) this.#perAddress.delete(address)
      else this.#perAddress.set(address, left)
      if (this.#connections.size === 0) this.#whenEmpty()
      if (connection.failedHandshake) unopened(address, connection.failedHandshake)
    }
    this.#connections.add(new Connection(socket, { limits, budget, mechanism: mechanism(), open, closed }))
  }
}
