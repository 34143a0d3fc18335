import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createRegistry, serveMetrics } from '../../common/metrics.ts'
import { rexec } from '../support/rexec-command.ts'

async function listen(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`
}

t.test('says that a part is alive', async (t) => {
  const admin = await serveMetrics(createRegistry(), '127.0.0.1', 0)
  t.teardown(() => admin[Symbol.asyncDispose]())
  const url = `http://127.0.0.1:${(admin.address() as AddressInfo).port}/healthz`
  t.match(await rexec(t, ['healthcheck', url]).ended, { code: 0, stdout: `${url} answers.\n`, stderr: '' })
})

t.test('says in a sentence that it is not', async (t) => {
  const broken = await listen(t, (_request, response) => response.writeHead(503).end('no'))
  const elsewhere = await listen(t, (_request, response) => response.writeHead(302, { location: '/' }).end())
  const closing = await listen(t, (request) => request.socket.destroy())
  const cases: [string, RegExp][] = [
    [broken, /Not healthy: \S+: 503\.$/],
    [elsewhere, /Not healthy: \S+: 302\.$/],
    [closing, /Not healthy: \S+: UND_ERR_SOCKET\.$/],
  ]
  for (const [url, sentence] of cases) {
    const { code, stdout, stderr } = await rexec(t, ['healthcheck', url]).ended
    t.match({ code, stdout, stderr: stderr.trim() }, { code: 1, stdout: '', stderr: sentence })
  }
})

t.test('a part that accepts and never answers is not alive', async (t) => {
  const url = await listen(t, () => undefined)
  t.match(await rexec(t, ['healthcheck', url]).ended, { code: 1, stderr: /: no answer in 4 s\./ })
})

t.test('a wrong command line is answered with exit code 2', async (t) => {
  const one = 'http://127.0.0.1:1/'
  for (const args of [[one, one], ['localhost:10101'], ['file:///etc/passwd'], ['--no-such-option']]) {
    const { code, stderr } = await rexec(t, ['healthcheck', ...args]).ended
    t.equal(code, 2, args.join(' '))
    t.notMatch(stderr, /\n\s+at /, 'no stack')
  }
})
