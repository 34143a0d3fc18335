import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

type Environment = Record<string, string>

/** Waits for fake-singleuser.ts, which tells its environment when it listens, and ends when the test does. */
export async function awaitServers(
  t: Test,
): Promise<{ port: number; next(user: string): Promise<Environment> }> {
  const sockets = new Set<Socket>()
  const awaited = new Map<string, (env: Environment) => void>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    createInterface({ input: socket }).on('line', (line) => {
      const env: Environment = JSON.parse(line)
      awaited.get(env.JUPYTERHUB_USER!)?.(env)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await once(server.close(), 'close')
  })
  return {
    port: (server.address() as AddressInfo).port,
    next: (user) => new Promise((resolve) => awaited.set(user, resolve)),
  }
}
