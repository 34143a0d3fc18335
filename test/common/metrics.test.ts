import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Counter, createRegistry, serveMetrics } from '../../common/metrics.ts'

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
