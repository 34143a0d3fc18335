import { once } from 'node:events'
import { createServer } from 'node:net'

/** A port that was free a moment ago, for what has to be told its port before it listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || !address) throw new TypeError('no port')
  return address.port
}
