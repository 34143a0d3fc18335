import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

/** A function in another process that has called; it stays until it is answered. */
export interface Ring {
  /** The line that it sent. */
  text: string
  /** Lets it go on: it reads this line. */
  answer(line?: string): void
  /** Resolves when every process that holds the connection has ended or closed it. */
  gone: Promise<void>
}

export interface Doorbell {
  port: number
  /** The next ring, in the order of arrival. Rejects when `call`, from which it is to come, ends before. */
  next(call?: Promise<unknown>): Promise<Ring>
}

/**
 * How a test and a function in another process wait for one another without sleeping: the function connects to `port`,
 * sends a line and may wait for one; the connection's end shows that the function's processes are gone.
 */
export async function openDoorbell(t: Test): Promise<Doorbell> {
  const rings: Ring[] = []
  const waiting: ((ring: Ring) => void)[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    socket.on('error', () => undefined)
    createInterface({ input: socket }).once('line', (text) => {
      const ring = { text, answer: (line = '') => void socket.write(`${line}\n`), gone }
      const taker = waiting.shift()
      if (taker) taker(ring)
      else rings.push(ring)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return {
    port: (server.address() as AddressInfo).port,
    async next(call) {
      const ring = rings.shift() ?? new Promise<Ring>((resolve) => waiting.push(resolve))
      const end = call?.then((outcome) => {
        throw new Error(`it ended before it rang: ${outcome}`)
      })
      return Promise.race(end ? [ring, end] : [ring])
    },
  }
}
