import { connect, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'

/**
 * What a Service of Kubernetes does for clients, at its worst: each new connection goes to the next broker, also to one
 * that takes none any more, and is closed then.
 */
export async function startFakeService(t: Test, addresses: string[]): Promise<string> {
  const targets = addresses.map((address) => new URL(address))
  const sockets = new Set<Socket>()
  let connections = 0
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const { hostname, port } = targets[connections++ % targets.length]!
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', (failed) => {
        sockets.delete(from)
        if (failed) to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `tcp://127.0.0.1:${(server.address() as { port: number }).port}`
}
