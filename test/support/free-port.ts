import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'

/**
 * Below those that Linux gives to whoever asks for any port, for connections as well (32768 to 60999): one of these would
 * often be somebody else's before it is listened on.
 */
const FIRST = 11_000
const LAST = 30_000

/**
 * Ports that were free a moment ago, for what has to be told its port before it listens, or comes back to it. No other
 * test gets them as long as this process lives.
 */
export async function freePorts(count: number, host?: string): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen(host)))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  return port!
}

async function listen(host: string | undefined): Promise<Server> {
  for (;;) {
    const port = randomInt(FIRST, LAST)
    // A socket with a name and no file, which the kernel gives to one process until that has ended.
    if (process.platform === 'linux' && !(await tryToListen({ path: `\0rexec-test-port-${port}` }))?.unref())
      continue
    const server = await tryToListen({ port, host })
    if (server) return server
  }
}

async function tryToListen(where: ListenOptions): Promise<Server | undefined> {
  const server = createServer().listen(where)
  try {
    await once(server, 'listening')
    return server
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error
    return undefined
  }
}
