import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { createIdentify } from '../../broker/identify.ts'
import { ProxyClient } from '../../broker/proxy-client.ts'
import { keptLog } from '../support/log.ts'

const CREDENTIAL = 'broker-credential-1234567890'
const TOKEN = 'hub-token-abcdefghijklmnop'

/** A server that answers as the test says, and the function under test for it. */
async function start(t: Test, answer: (request: IncomingMessage, response: ServerResponse) => unknown) {
  const server = createServer((request, response) => void answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { logger, text: logged } = keptLog()
  const { port } = server.address() as { port: number }
  const url = `http://127.0.0.1:${port}/services/rexec/`
  const proxy = new ProxyClient({ url, credential: CREDENTIAL, timeout: 300 })
  return { identify: createIdentify(proxy, logger), logged }
}

t.test('the token goes in the body, the credential in the header, nothing into the address', async (t) => {
  const review = {
    user: 'alice',
    servers: [{ name: 'default', phase: 'failed', message: 'why', code: 'install_failed' }],
  }
  const { identify } = await start(t, async (request, response) => {
    t.equal(request.method, 'POST')
    t.equal(request.url, '/services/rexec/api/v1/token-reviews')
    t.equal(request.headers.authorization, `Bearer ${CREDENTIAL}`)
    t.same(JSON.parse(await text(request)), { token: TOKEN })
    response.end(JSON.stringify(review))
  })
  t.same(await identify(TOKEN), review)
})

t.test('a verdict is passed on; all else is called unavailable, and neither secret is logged', async (t) => {
  const problem = (status: number, code: string) => (_: unknown, response: ServerResponse) =>
    response.writeHead(status).end(JSON.stringify({ code, detail: TOKEN }))
  for (const [answer, code] of [
    [problem(401, 'token_invalid'), 'token_invalid'],
    [problem(403, 'not_allowed'), 'not_allowed'],
    [problem(403, 'scope_missing'), 'scope_missing'],
    [problem(403, 'namespace_missing'), 'namespace_missing'],
    [problem(403, 'broker_only'), 'identity_unavailable'],
    [problem(401, 'token_missing'), 'identity_unavailable'],
    [problem(503, 'identity_unavailable'), 'identity_unavailable'],
    [(_: unknown, response: ServerResponse) => response.writeHead(502).end('<html>'), 'identity_unavailable'],
    [(_: unknown, response: ServerResponse) => response.end('{"user":""}'), 'identity_unavailable'],
    [(_: unknown, response: ServerResponse) => response.end('not json'), 'identity_unavailable'],
    [
      (_: unknown, response: ServerResponse) => response.writeHead(302, { location: '/' }).end(),
      'identity_unavailable',
    ],
    [(_: unknown, response: ServerResponse) => response.destroy(), 'identity_unavailable'],
    [() => {}, 'identity_unavailable'],
  ] as const) {
    const { identify, logged } = await start(t, answer)
    await t.rejects(identify(TOKEN), { code })
    t.notOk(logged().includes(TOKEN))
    t.notOk(logged().includes(CREDENTIAL))
  }
})
