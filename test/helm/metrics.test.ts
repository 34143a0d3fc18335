import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { dashboard } from '../../helm/dashboard/dashboard.ts'
import { apiServerMissing, startApiServer } from '../cluster/api-server.ts'
import { helmMissing } from '../cluster/tools.ts'
import { renderChart } from '../support/chart.ts'
import { freePorts } from '../support/free-port.ts'
import { startSeparateService } from '../support/separate-service.ts'
import { ALICE } from '../support/test-app.ts'
import { parseQueries, promqlPython } from './promql.ts'

const noParser = promqlPython().then(
  () => undefined,
  (error: Error) => error.message,
)
const skip = (await apiServerMissing()) ?? (await helmMissing()) ?? (await noParser) ?? false

/** What Prometheus adds to every series, with the ServiceMonitor of the chart. */
const TARGET = ['job', 'namespace', 'pod', 'instance', 'component']

interface Metric {
  /** Of the series that there are; a counter without labels may have none yet. */
  labels: Set<string>
}

/** The metrics of a part, by the name of their series: histograms have three. */
async function scrape(url: string): Promise<Map<string, Metric>> {
  const metrics = new Map<string, Metric>()
  for (const line of (await (await fetch(url)).text()).split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? []
    if (name) {
      const names = type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name]
      for (const series of names) metrics.set(series, { labels: new Set() })
    }
    const [, series, labels = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? []
    for (const [, label] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g))
      metrics.get(series!)?.labels.add(label!)
  }
  return metrics
}

/** Metrics of a proxy that runs servers on Kubernetes and of a broker, after a request of each kind. */
async function runningParts(t: Test): Promise<Map<string, Metric>> {
  const server = await startApiServer(t)
  const [port] = await freePorts(1)
  const service = await startSeparateService(t, {
    proxy: {
      metrics: { port },
      identity: { authenticators: ['static'], static: { users: [{ name: 'alice', token: ALICE }] } },
      cluster: {
        kind: 'kubernetes',
        kubernetes: { kubeconfig: server.kubeconfig, requireConfinement: false },
      },
    },
  })
  for (const token of [ALICE, 'nobody-has-this-token'])
    await fetch(`${service.url}/api/v1/servers`, { headers: { authorization: `Bearer ${token}` } })
  const parts = await Promise.all(
    [`http://127.0.0.1:${port}/metrics`, `${service.broker.admin}/metrics`].map(scrape),
  )
  return new Map(parts.flatMap((metrics) => [...metrics]))
}

/** The queries of a dashboard or of rules, wherever they stand. */
function queriesIn(object: unknown): string[] {
  if (typeof object !== 'object' || object === null) return []
  return Object.entries(object).flatMap(([key, value]) =>
    key === 'expr' ? [String(value).replaceAll('$__rate_interval', '5m')] : queriesIn(value),
  )
}

t.test('dashboard, alerts and the list of metrics speak of metrics that there are', { skip }, async (t) => {
  const metrics = await runningParts(t)
  const rules = await renderChart(
    { metrics: { alerts: { enabled: true } } },
    { only: ['metrics/alerts.yaml'] },
  )
  const queries = { dashboard: queriesIn(dashboard), alerts: queriesIn(rules) }
  for (const [name, texts] of Object.entries(queries)) {
    t.ok(texts.length >= 5, `${name}: ${texts.length} queries`)
    for (const { query, metrics: names, labels } of await parseQueries(texts)) {
      for (const metric of names.filter((name) => name !== 'up')) {
        t.ok(metrics.has(metric), `${metric}, in ${query}`)
        const known = metrics.get(metric)?.labels ?? new Set()
        const unknown = labels.filter((label) => !TARGET.includes(label) && !known.has(label))
        t.same(known.size === 0 ? [] : unknown, [], `labels, in ${query}`)
      }
    }
  }

  const page = await readFile(join(import.meta.dirname, '../../docs/admin/monitoring.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `(rexec_\w+)`/gm)].map(([, name]) => name)
  const own = [...metrics.keys()]
    .filter((name) => name.startsWith('rexec_'))
    .map((name) => name.replace(/_(bucket|sum|count)$/, ''))
  t.same(listed.sort(), [...new Set(own)].sort(), 'the page lists all metrics of rexec')
  t.same(
    [...page.matchAll(/^\| (Rexec\w+) \|/gm)].map(([, name]) => name),
    [...JSON.stringify(rules).matchAll(/"alert":"(\w+)"/g)].map(([, name]) => name),
    'and all alerts',
  )
})

t.test('the dashboard is one that Grafana reads', { skip }, async (t) => {
  const [map] = await renderChart(
    { metrics: { dashboard: { enabled: true } } },
    { only: ['metrics/dashboard.yaml'] },
  )
  const { metadata, data } = map as { metadata?: { labels?: object }; data: Record<string, string> }
  t.match(metadata?.labels, { grafana_dashboard: '1' })
  t.same(JSON.parse(data['rexec.json']!), dashboard, 'nothing of it was taken for a template')
  const { panels, templating } = dashboard
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'each panel has an id of its own')
  t.same(
    templating.list.map((variable) => (variable as { name: string }).name),
    ['datasource', 'namespace', 'job'],
  )
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  )
  t.equal(new Set(cells).size, cells.length, 'no panel lies on another')
})
