import { readFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { parse } from 'yaml'

/** Passes bytes on to an API server, counts the connections, and can become a network that has failed. */
export interface Relay {
  /** Path of a kubeconfig that goes through it. */
  readonly kubeconfig: string
  /** Connections that were made so far. */
  readonly connections: number
  /** Connections that are open. */
  readonly open: number
  /** Ends all connections and refuses new ones. */
  cut(): Promise<void>
  /** Lets nothing through any more, without a word; connections stay. */
  freeze(): void
  mend(): Promise<void>
}

export async function startRelay(t: Test, kubeconfig: string, folder: string): Promise<Relay> {
  const config = parse(await readFile(kubeconfig, 'utf8'))
  const target = new URL(config.clusters[0].cluster.server)
  const sockets = new Set<Socket>()
  let connections = 0
  let frozen = false
  let port = 0

  function take(socket: Socket): void {
    connections++
    const upstream = connect(Number(target.port), target.hostname)
    for (const [from, to] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(from)
      from.on('data', (bytes) => frozen || to.write(bytes))
      from.on('end', () => frozen || to.end())
      from.on('error', () => to.destroy())
      from.on('close', () => {
        sockets.delete(from)
        if (!frozen) to.destroy()
      })
    }
  }

  let server: Server
  async function listen(): Promise<void> {
    server = createServer({ allowHalfOpen: true }, take)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    port = (server.address() as { port: number }).port
  }

  async function cut(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  }

  await listen()
  t.teardown(cut)
  config.clusters[0].cluster.server = `https://127.0.0.1:${port}`
  const file = join(folder, `relay-${port}.json`)
  await writeFile(file, JSON.stringify(config))
  return {
    kubeconfig: file,
    get connections() {
      return connections
    },
    get open() {
      return sockets.size / 2
    },
    cut,
    freeze() {
      frozen = true
    },
    async mend() {
      frozen = false
      if (!server.listening) await listen()
    },
  }
}
