import { createServer, type Server } from 'node:http'
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client'

export { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A registry with the process' own metrics (memory, CPU, event loop). */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}

/** A histogram as plain numbers, for where each observation counts: a few comparisons and additions. */
export class Distribution {
  readonly bounds: readonly number[]
  /** Observations up to each bound, and beyond the last. */
  readonly counts: number[]
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = Array(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let at = 0
    while (at < this.bounds.length && value > this.bounds[at]!) at++
    this.counts[at]!++
    this.sum += value
  }
}

/** Shows distributions as one histogram of Prometheus: by the value of the label, or a single one without a label. */
export function showDistributions(
  registry: Registry,
  { name, help, label }: { name: string; help: string; label?: string },
  distributions: ReadonlyMap<string, Distribution>,
): void {
  const valuesOf = ([value, { bounds, counts, sum }]: [string, Distribution]) => {
    const labels = label === undefined ? {} : { [label]: value }
    let total = 0
    const buckets = counts.map((count, at) => {
      total += count
      return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[at] ?? '+Inf' }, value: total }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: total },
    ]
  }
  const get = async () => ({
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    values: [...distributions].flatMap(valuesOf),
  })
  // What the registry asks of a metric; the package's own types name its classes only.
  registry.registerMetric({ name, help, get, reset() {} } as unknown as Metric)
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
