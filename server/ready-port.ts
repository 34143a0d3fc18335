import { createServer, type Server } from 'node:net'
import type { Logger } from '../common/logger.ts'

/** Connections at once; what comes beyond is closed just as those are. */
const MAX_CONNECTIONS = 16

/**
 * A TCP port for a readiness probe that only connects: it is open while the server takes calls. Nothing is read or
 * written. On all addresses, since a probe comes from the node; another process of the pod may have taken the port
 * before, which changes what the probe sees of this very pod and nothing else.
 */
export class ReadyPort {
  readonly #port: number
  readonly #logger: Logger
  #server: Server | undefined

  constructor(port: number, logger: Logger) {
    this.#port = port
    this.#logger = logger
  }

  /** Resolves with the port, or undefined when it cannot be had or is open already. */
  async open(): Promise<number | undefined> {
    if (this.#server) return undefined
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on('error', () => {}).destroy()
    })
    server.maxConnections = MAX_CONNECTIONS
    this.#server = server
    return await new Promise((resolve) => {
      server.once('error', (error) => {
        this.#logger.warn(error, 'the port for readiness probes cannot be opened')
        resolve(undefined)
      })
      server.listen(this.#port, () => {
        const address = server.address()
        resolve(typeof address === 'object' ? address?.port : undefined)
      })
    })
  }

  close(): void {
    this.#server?.close()
    this.#server = undefined
  }
}
