import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import {
  Counter,
  createRegistry,
  Distribution,
  type Readiness,
  Registry,
  serveMetrics,
  showDistributions,
} from '../../common/metrics.ts'

t.test('metrics have a port of their own, with nothing else on it', async (t) => {
  const registry = createRegistry()
  new Counter({ name: 'rexec_test_total', help: 'For this test', registers: [registry] }).inc(3)
  const server = await serveMetrics(registry, '127.0.0.1', 0)
  t.teardown(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const metrics = await fetch(`${url}/metrics`)
  t.equal(metrics.status, 200)
  t.match(metrics.headers.get('content-type'), /^text\/plain/)
  const text = await metrics.text()
  t.match(text, /^rexec_test_total 3$/m)
  t.match(text, /^process_resident_memory_bytes \d/m)
  t.equal(await (await fetch(`${url}/healthz`)).text(), 'ok\n')
  for (const path of ['/', '/metrics/', '/metrics/x', '/../metrics/..'])
    t.equal((await fetch(url + path)).status, 404)
  t.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405)
})

t.test('a port that is taken is an error', async (t) => {
  const first = await serveMetrics(createRegistry(), '127.0.0.1', 0)
  t.teardown(() => void first.close())
  const { port } = first.address() as AddressInfo
  await t.rejects(serveMetrics(createRegistry(), '127.0.0.1', port), { code: 'EADDRINUSE' })
})

t.test('a distribution of plain numbers is a histogram, by a label or without one', async (t) => {
  const registry = new Registry()
  const one = new Distribution([1, 2])
  for (const value of [0.5, 1, 1.5, 7]) one.observe(value)
  showDistributions(
    registry,
    { name: 'rexec_test_seconds', help: 'For this test.', label: 'end' },
    new Map([['x', one]]),
  )
  showDistributions(
    registry,
    { name: 'rexec_plain_seconds', help: 'Another.' },
    new Map([['', new Distribution([1])]]),
  )
  t.equal(
    await registry.metrics(),
    `# HELP rexec_test_seconds For this test.
# TYPE rexec_test_seconds histogram
rexec_test_seconds_bucket{end="x",le="1"} 2
rexec_test_seconds_bucket{end="x",le="2"} 3
rexec_test_seconds_bucket{end="x",le="+Inf"} 4
rexec_test_seconds_sum{end="x"} 10
rexec_test_seconds_count{end="x"} 4

# HELP rexec_plain_seconds Another.
# TYPE rexec_plain_seconds histogram
rexec_plain_seconds_bucket{le="1"} 0
rexec_plain_seconds_bucket{le="+Inf"} 0
rexec_plain_seconds_sum 0
rexec_plain_seconds_count 0
`,
  )
})

t.test('readiness is told where there is something to say', async (t) => {
  let status: Readiness['status'] = 'not ready'
  const server = await serveMetrics(createRegistry(), '127.0.0.1', 0, () => ({
    status,
    checks: { keys: 'unknown' },
  }))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`
  for (const [now, code] of [
    ['not ready', 503],
    ['ready', 200],
    ['closing', 503],
  ] as const) {
    status = now
    const answer = await fetch(url)
    t.equal(answer.status, code)
    t.same(await answer.json(), { status: now, checks: { keys: 'unknown' } })
  }
})
