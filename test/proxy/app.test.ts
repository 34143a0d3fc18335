import t from 'tap'
import { openIdle, sendRaw } from '../support/raw-http.ts'
import { ALICE, BOB, startApp } from '../support/test-app.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

t.test('every answer has a request id and closed headers', async (t) => {
  const { fetch, log } = await startApp(t)
  const given = '0f8fad5b-d9cb-469f-a165-70867728950e'
  for (const path of ['/healthz', '/api/v1/user', '/nothing/here', '/%zz']) {
    const own = await fetch(path)
    t.match(own.headers.get('x-request-id'), UUID)
    const answer = await fetch(path, { headers: { 'x-request-id': given } })
    t.equal(answer.headers.get('x-request-id'), given)
    t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    t.equal(answer.headers.get('cache-control'), 'no-store')
    t.match(answer.headers.get('content-security-policy'), /default-src 'none'/)
    t.equal(answer.headers.get('access-control-allow-origin'), null, 'no CORS')
  }
  t.equal(log.filter(({ requestId, msg }) => requestId === given && msg === 'request').length, 4)
})

t.test('an incoming request id that is no UUID is not taken over', async (t) => {
  const { fetch } = await startApp(t)
  for (const id of ['x', ALICE, 'a'.repeat(32), `0f8fad5b-d9cb-469f-a165-70867728950e, ${ALICE}`]) {
    const answer = await fetch('/healthz', { headers: { 'x-request-id': id } })
    t.match(answer.headers.get('x-request-id'), UUID)
  }
})

t.test('errors are problems of RFC 9457', async (t) => {
  const { fetch } = await startApp(t)
  const answer = await fetch('/nothing/here')
  t.equal(answer.status, 404)
  t.equal(answer.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  t.same(await answer.json(), {
    type: 'urn:rexec:problem:not_found',
    title: 'There is nothing at this address',
    status: 404,
    detail: 'There is nothing at this address. See /docs for the routes.',
    code: 'not_found',
    requestId: answer.headers.get('x-request-id'),
  })
})

t.test('who sends no token, a wrong one, or one in a wrong place is told so', async (t) => {
  const { fetch } = await startApp(t)
  const cases: [string, RequestInit & { token?: string | null }, number, string][] = [
    ['/api/v1/user', { token: null }, 401, 'token_missing'],
    ['/api/v1/user', { token: 'not-a-token-of-anybody' }, 401, 'token_invalid'],
    ['/api/v1/user', { token: null, headers: { authorization: 'Basic YWxpY2U6eA==' } }, 401, 'token_invalid'],
    ['/api/v1/user', { token: null, headers: { authorization: ALICE } }, 401, 'token_invalid'],
    [
      '/api/v1/user',
      { token: null, headers: { authorization: `Bearer ${ALICE} ${ALICE}` } },
      401,
      'token_invalid',
    ],
    [`/api/v1/user?token=${ALICE}`, { token: null }, 400, 'token_in_url'],
    [`/api/v1/user?access_token=${ALICE}`, {}, 400, 'token_in_url'],
    [`/nothing?TOKEN=${ALICE}`, {}, 400, 'token_in_url'],
    [`/broker-config?token=${ALICE}`, { token: null }, 400, 'token_in_url'],
  ]
  for (const [path, options, status, code] of cases) {
    const answer = await fetch(path, options)
    const text = await answer.text()
    t.equal(answer.status, status, path)
    t.equal(JSON.parse(text).code, code)
    t.notMatch(text, ALICE)
    t.equal(answer.headers.get('www-authenticate'), status === 401 ? 'Bearer realm="rexec"' : null)
  }
  for (const scheme of ['Bearer', 'bearer', 'token', 'Token']) {
    const answer = await fetch('/api/v1/user', {
      token: null,
      headers: { authorization: `${scheme} ${ALICE}` },
    })
    t.equal(answer.status, 200, scheme)
  }
})

t.test('a wrong method is 405 with the ones that work, before anybody is authenticated', async (t) => {
  const { fetch } = await startApp(t)
  const cases: [string, string, string][] = [
    ['DELETE', '/api/v1/user', 'GET, HEAD'],
    ['PUT', '/api/v1/servers', 'GET, HEAD, POST'],
    ['PATCH', '/api/v1/servers/default', 'GET, HEAD, DELETE'],
    ['HEAD', '/api/v1/servers/default/events', 'GET'],
    ['GET', '/spawn', 'POST, DELETE'],
    ['POST', '/rexec/terminate', 'DELETE'],
    ['OPTIONS', '/api/v1/tokens', 'POST'],
    ['PUT', '/', 'GET, HEAD, POST'],
    ['POST', '/docs', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
  ]
  for (const [method, path, allow] of cases) {
    const answer = await fetch(path, { method, token: null })
    t.equal(answer.status, 405, `${method} ${path}`)
    t.equal(answer.headers.get('allow'), allow)
    if (method !== 'HEAD') t.match(await answer.json(), { code: 'method_not_allowed' })
  }
})

t.test('unknown query parameters are refused, not passed over', async (t) => {
  const { fetch } = await startApp(t)
  for (const path of [
    '/api/v1/user?x=1',
    '/healthz?x',
    '/api/v1/servers/default/logs?follow=yes',
    '/status/?a=b',
  ]) {
    const answer = await fetch(path)
    t.equal(answer.status, 400, path)
    t.match(await answer.json(), { code: 'query_invalid' })
  }
})

t.test('a body that is too large, of a wrong type or of a wrong form is refused', async (t) => {
  const { fetch } = await startApp(t, { settings: { limits: { bodyBytes: 1024, bodyDepth: 4 } } })
  const post = (init: Parameters<typeof fetch>[1]) => fetch('/api/v1/servers', { method: 'POST', ...init })
  const json = { 'content-type': 'application/json' }
  const cases: [Parameters<typeof fetch>[1], number, string][] = [
    [{ json: { python: 'x'.repeat(2000) } }, 413, 'body_too_large'],
    [
      { body: 'python=3.12', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'media_type_unsupported',
    ],
    [{ body: '{}', headers: { 'content-type': 'text/plain' } }, 415, 'media_type_unsupported'],
    [{ body: '{}', headers: { 'content-type': 'nonsense' } }, 415, 'media_type_unsupported'],
    [{}, 400, 'body_invalid'],
    [{ body: '', headers: json }, 400, 'body_invalid'],
    [{ body: '{"python":', headers: json }, 400, 'body_invalid'],
    [{ body: '{"python":"3.12","python":"3.11"}', headers: json }, 400, 'body_invalid'],
    [{ body: '{"__proto__":{"replace":true}}', headers: json }, 400, 'body_invalid'],
    [{ body: '{"constructor":{"prototype":{"replace":true}}}', headers: json }, 400, 'body_invalid'],
    [{ body: '[[[[[]]]]]', headers: json }, 400, 'body_invalid'],
    [{ json: [] }, 400, 'body_invalid'],
    [{ json: null }, 400, 'body_invalid'],
    [{ json: { pyhton: '3.12' } }, 400, 'body_invalid'],
    [{ json: { python: 3.12 } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', replace: 'true' } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', replicas: '1' } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', replicas: 1.5 } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', requirements: 'numpy' } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', env: { A: 1 } } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', resources: { cpu: 1, node: 'big' } } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', user: 'bob' } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', image: ['evil'] } }, 400, 'body_invalid'],
    [{ json: { python: '3.12', image: 'evil' } }, 400, 'image_not_allowed'],
  ]
  for (const [init, status, code] of cases) {
    const answer = await post(init)
    t.equal(answer.status, status, JSON.stringify(init))
    t.match(await answer.json(), { code })
  }
})

t.test(
  'an unexpected error is "internal" for the reader, and one log line with its request id',
  async (t) => {
    const { fetch, cluster, log } = await startApp(t)
    cluster.failure = new Error('the disk is on fire')
    const answer = await fetch('/api/v1/servers')
    t.equal(answer.status, 500)
    const text = await answer.text()
    t.notMatch(text, 'fire')
    const { code, requestId } = JSON.parse(text)
    t.equal(code, 'internal')
    const lines = log.filter(
      (line) => line.requestId === requestId && JSON.stringify(line).includes('on fire'),
    )
    t.equal(lines.length, 1)
    t.match(lines[0], { level: 'error', err: { stack: /app\.test/ } })
  },
)

t.test(
  'a log line names the route, the user and the outcome, never the path that was asked for',
  async (t) => {
    const { fetch, log } = await startApp(t)
    await fetch('/api/v1/servers/some-server')
    await fetch('/some/path')
    t.match(log.at(-2), {
      msg: 'request',
      method: 'GET',
      route: '/services/rexec/api/v1/servers/:name',
      status: 404,
      user: 'alice',
      ip: '127.0.0.1',
    })
    t.notMatch(JSON.stringify(log), /some-server|some\/path/)
  },
)

t.test('the address in the log is what a trusted proxy has heard, never what a client claims', async (t) => {
  const ipOf = async (settings: object, forwarded?: string) => {
    const { fetch, log } = await startApp(t, { settings })
    await fetch('/healthz', { headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } })
    return log.findLast(({ msg }) => msg === 'request')?.ip
  }
  // A notebook (10.1.2.3) claims to be 192.0.2.66; the hub's proxy, here on loopback, adds whom it has heard.
  const claimed = '192.0.2.66, 10.1.2.3'
  const cluster = ['loopback', 'uniquelocal']
  t.equal(await ipOf({ trustProxy: cluster }, claimed), '10.1.2.3', "one hop is the hub's proxy")
  t.equal(
    await ipOf({ trustProxy: cluster, trustProxyHops: 2 }, claimed),
    '192.0.2.66',
    'an ingress before it',
  )
  t.equal(await ipOf({ trustProxy: cluster, trustProxyHops: 2 }, '192.0.2.66, 203.0.113.9'), '203.0.113.9')
  t.equal(await ipOf({ trustProxy: cluster, trustProxyHops: 0 }, claimed), '127.0.0.1')
  t.equal(await ipOf({ trustProxy: ['192.0.2.0/24'] }, claimed), '127.0.0.1', 'a peer that nobody trusts')
  t.equal(await ipOf({ trustProxy: cluster }), '127.0.0.1', 'without the header')
  t.equal(await ipOf({ trustProxy: cluster }, 'x"; DROP'), '127.0.0.1', 'what is no address')
})

t.test('metrics count requests by route and refusals by code', async (t) => {
  const { fetch, registry } = await startApp(t)
  await fetch('/api/v1/user')
  await fetch('/api/v1/user', { token: null })
  await fetch('/no/such/path')
  const text = await registry.metrics()
  t.match(text, 'rexec_http_requests_total{route="/services/rexec/api/v1/user",method="GET",status="200"} 1')
  t.match(text, 'rexec_http_requests_total{route="/services/rexec/api/v1/user",method="GET",status="401"} 1')
  t.match(text, 'rexec_http_requests_total{route="none",method="GET",status="404"} 1')
  t.match(text, 'rexec_http_refusals_total{code="token_missing"} 1')
  t.match(text, /rexec_http_request_seconds_count\{route="\/services\/rexec\/api\/v1\/user",method="GET"\} 2/)
})

t.test('whatever is refused is counted by its code, also what never becomes a request', async (t) => {
  const { app, origin, fetch, registry } = await startApp(t, {
    settings: {
      securityModel: { access: { denyUsers: ['bob'] } },
    },
  })
  await fetch('/api/v1/user', { token: BOB })
  await fetch('/api/v1/user', { token: 'of-nobody-0123456789' })
  await fetch('/api/v1/servers', { method: 'POST', json: { profile: 'none' } })
  await fetch('/api/v1/servers', {
    method: 'POST',
    json: { python: '3.12', requirements: ['-r /etc/passwd'] },
  })
  await fetch('/api/v1/token-reviews', { method: 'POST', json: { token: 'x' } })
  await globalThis.fetch(`${origin}/%zz`)
  for (const bytes of ['NOT HTTP\r\n\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`])
    await sendRaw(origin, bytes)
  app.server.emit('drop')
  const text = await registry.metrics()
  for (const code of [
    'not_allowed',
    'token_invalid',
    'profile_unknown',
    'requirement_invalid',
    'broker_only',
    'not_found',
    'request_malformed',
    'headers_too_large',
    'too_many_requests',
  ])
    t.match(text, `rexec_http_refusals_total{code="${code}"} 1`)
})

t.test('another prefix moves everything', async (t) => {
  const { origin, fetch } = await startApp(t, { settings: { prefix: '/hub/services/run' } })
  t.equal((await fetch('/healthz')).status, 200)
  t.equal((await globalThis.fetch(`${origin}/services/rexec/healthz`)).status, 404)
  t.match(await (await fetch('/openapi.json')).json(), { servers: [{ url: '/hub/services/run' }] })
})

t.test('closing does not wait for connections that say nothing', async (t) => {
  const { app, origin } = await startApp(t)
  const accepted = new Promise((resolve) => app.server.once('connection', resolve))
  const socket = await openIdle(origin)
  await accepted
  const closed = new Promise((resolve) => socket.once('close', resolve))
  await app.close()
  await closed
})

t.test('closing answers the requests that run', async (t) => {
  const { app, fetch, cluster } = await startApp(t)
  const asked = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  cluster.list = async () => {
    asked.resolve()
    await go.promise
    return []
  }
  const running = fetch('/api/v1/servers')
  await asked.promise
  const closed = app.close()
  go.resolve()
  t.equal((await running).status, 200)
  await closed
  await t.rejects(fetch('/healthz'), 'nobody listens any more')
})
