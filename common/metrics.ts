import { createServer, type Server } from 'node:http'
import { collectDefaultMetrics, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A registry with the process' own metrics (memory, CPU, event loop). */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}

/** What GET /readyz says: whether work may be sent here, and what each check has found. */
export interface Readiness {
  status: 'ready' | 'not ready' | 'closing'
  checks: Record<string, string>
}

/**
 * Serves GET /metrics (and /healthz, and /readyz where there is something to say) on a port of its own, which no ingress
 * exposes. Resolves when it listens; port 0 means any free one.
 */
export async function serveMetrics(
  registry: Registry,
  host: string,
  port: number,
  readiness?: () => Readiness,
): Promise<Server> {
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET') return response.writeHead(405).end()
    if (request.url === '/healthz') return response.writeHead(200).end('ok\n')
    if (request.url === '/readyz' && readiness) {
      const state = readiness()
      response.writeHead(state.status === 'ready' ? 200 : 503, { 'content-type': 'application/json' })
      return response.end(`${JSON.stringify(state)}\n`)
    }
    if (request.url !== '/metrics') return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics())
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return server
}
