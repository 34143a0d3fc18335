import t from 'tap'
import { LOGIN, logIn } from '../../support/session.ts'
import { startApp } from '../../support/test-app.ts'

/** What a browser asks before it sends a request with such headers. */
const preflight = (origin: string) => ({
  method: 'OPTIONS',
  token: null,
  headers: {
    origin,
    'access-control-request-method': 'DELETE',
    'access-control-request-headers': 'authorization',
  },
})

t.test('our sandboxed pages may send what the address takes', async (t) => {
  const { fetch } = await startApp(t)
  for (const [path, methods] of [
    ['/api/v1/servers', 'GET, HEAD, POST'],
    ['/api/v1/servers/default', 'GET, HEAD, DELETE'],
    ['/spawn', 'POST, DELETE'],
  ] as const) {
    const answer = await fetch(path, preflight('null'))
    t.equal(answer.status, 204, path)
    t.equal(answer.headers.get('access-control-allow-origin'), 'null')
    t.equal(answer.headers.get('access-control-allow-methods'), methods)
    t.equal(answer.headers.get('access-control-allow-headers'), 'authorization, content-type')
    t.equal(answer.headers.get('access-control-allow-credentials'), null, 'no cookie comes along')
  }
  const refused = await fetch('/api/v1/user', { token: null, headers: { origin: 'null' } })
  t.equal(refused.status, 401)
  t.equal(refused.headers.get('access-control-allow-origin'), 'null', 'refusals can be read too')
})

t.test('pages with an origin, of other sites or of this host, are told nothing', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie } = await logIn(app)
  for (const origin of ['https://evil.example', app.origin, 'NULL', 'null, null', 'file://', '']) {
    const asked = await app.fetch('/api/v1/servers', preflight(origin))
    t.equal(asked.status, 405, origin)
    for (const path of ['/', '/api/v1/user', '/api/v1/servers', '/openapi.json', '/healthz']) {
      const answer = await app.fetch(path, { headers: { origin, cookie } })
      for (const name of answer.headers.keys()) t.notMatch(name, /^access-control-/, `${origin} ${path}`)
    }
  }
})

t.test('an OPTIONS that is no preflight is refused as before', async (t) => {
  const { fetch } = await startApp(t)
  const answer = await fetch('/api/v1/user', { method: 'OPTIONS', headers: { origin: 'null' } })
  t.equal(answer.status, 405)
  t.equal(answer.headers.get('allow'), 'GET, HEAD')
})
