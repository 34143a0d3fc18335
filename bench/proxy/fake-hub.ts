import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What both proxies ask whose token it is: JupyterHub's GET /hub/api/user, answered at once. The token is the user's
 * name. A real hub takes some milliseconds, and rexec asks before each server where kbatch-proxy asks once a minute,
 * so this fake favours rexec by as much (docs/developer/performance.md).
 */
export interface FakeHub {
  /** As JUPYTERHUB_API_URL. */
  apiUrl: string
  close(): Promise<void>
}

export async function startFakeHub(): Promise<FakeHub> {
  const server = createServer(({ headers }, response) => {
    const name = headers.authorization?.split(' ')[1]
    const user = { kind: 'user', name, groups: [], admin: false, scopes: ['access:services'] }
    response.writeHead(name ? 200 : 403, { 'content-type': 'application/json' }).end(JSON.stringify(user))
  })
  server.keepAliveTimeout = 0 // a kept connection is never closed under a question
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    apiUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub/api`,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
