import type { FastifyInstance } from 'fastify'
import { Counter, Histogram, type Registry } from '../../common/metrics.ts'

/** Counts and times requests by the route's pattern, never by the path that was asked for. */
export function addMetrics(app: FastifyInstance, registry: Registry): void {
  const requests = new Counter({
    name: 'rexec_http_requests_total',
    help: 'HTTP requests answered',
    labelNames: ['route', 'method', 'status'],
    registers: [registry],
  })
  const durations = new Histogram({
    name: 'rexec_http_request_seconds',
    help: 'Time from a request to the end of its answer',
    labelNames: ['route', 'method'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [registry],
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    const { method } = request
    requests.inc({ route, method, status: reply.statusCode })
    durations.observe({ route, method }, reply.elapsedTime / 1000)
  })
}
