import t from 'tap'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { SCRIPT } from '../../support/fake-browser.ts'
import { LOGIN, logIn, sealSession } from '../../support/session.ts'
import { ALICE, BOB, bodyOf, startApp, type TestApp } from '../../support/test-app.ts'

/** What came of a request to the API with these headers and no token. */
async function ask(
  { fetch }: Pick<TestApp, 'fetch'>,
  headers: Record<string, string>,
  { method = 'GET', path = '/api/v1/user', ...more }: { method?: string; path?: string; json?: unknown } = {},
): Promise<string> {
  const answer = await fetch(path, { token: null, method, headers: { ...SCRIPT, ...headers }, ...more })
  const { code, name } = answer.status === 204 ? {} : await bodyOf<{ code?: string; name?: string }>(answer)
  return code ? `${answer.status} ${code}` : `${answer.status}${name ? ` ${name}` : ''}`
}

t.test('a session counts for requests of our page, whatever their method', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  const headers = { cookie, 'x-xsrf-token': xsrf }
  t.equal(await ask(app, headers), '200 alice')
  const { origin } = app
  const server = { method: 'POST', path: '/api/v1/servers', json: { python: '3.12' } }
  t.equal(await ask(app, { ...headers, origin }, server), '201')
  t.equal(await ask(app, headers, { path: '/api/v1/servers/default' }), '200 default')
  t.equal(
    await ask(app, { ...headers, origin }, { method: 'DELETE', path: '/api/v1/servers/default' }),
    '204',
  )
  t.equal(
    await ask(app, headers, { method: 'POST', path: '/api/v1/token-reviews', json: { token: ALICE } }),
    '401 token_missing',
  )
  t.equal(
    await ask(app, headers, { path: '/broker-config' }),
    '401 token_missing',
    'the Rexec API knows no sessions',
  )
})

t.test('an Authorization header wins over a session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  const headers = { cookie, 'x-xsrf-token': xsrf }
  t.equal(await ask(app, { ...headers, authorization: `Bearer ${BOB}` }), '200 bob')
  t.equal(await ask(app, { cookie: 'rexec-session=x', authorization: `Bearer ${BOB}` }), '200 bob')
  t.equal(await ask(app, { ...headers, authorization: 'Bearer nobody-knows-this' }), '401 token_invalid')
})

t.test('any proxy with the same signing key knows the session, and none with another', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const other = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  t.equal(await ask(other, { cookie, 'x-xsrf-token': xsrf }), '401 token_invalid')
  const same = await startApp(t, { settings: LOGIN, signer: app.signer })
  t.equal(await ask(same, { cookie, 'x-xsrf-token': xsrf }), '200 alice')
})

t.test('a page of the same host sends the cookie along, but cannot know what ours knows', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  const second = await logIn(app)
  const bob = await logIn(app, BOB)
  for (const [what, headers] of Object.entries<Record<string, string>>({
    'nothing but the cookie': {},
    'an empty one': { 'x-xsrf-token': '' },
    'a guess': { 'x-xsrf-token': 'x'.repeat(43) },
    'that of another session of the same user': { 'x-xsrf-token': second.xsrf },
    "that of the attacker's own session": { 'x-xsrf-token': bob.xsrf },
    'that of the session, cut off': { 'x-xsrf-token': xsrf.slice(0, -1) },
    'the same in a cookie': { cookie: `${cookie}; xsrf=${xsrf}; x-xsrf-token=${xsrf}` },
  })) {
    t.equal(await ask(app, { cookie, ...headers }), '403 xsrf_invalid', what)
  }
})

t.test('who has stolen what our page knows still has to be on the same host', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  const headers = { cookie, 'x-xsrf-token': xsrf }
  for (const site of ['cross-site', 'same-site', 'none']) {
    t.equal(await ask(app, { ...headers, 'sec-fetch-site': site }), '403 xsrf_invalid', site)
  }
  const origins = [
    'https://evil.example',
    'null',
    'http://127.0.0.1.evil.example',
    'nonsense',
    `${app.origin}0`,
  ]
  for (const origin of origins) {
    t.equal(await ask(app, { ...headers, origin }), '403 xsrf_invalid', origin)
  }
  const write = { method: 'POST', path: '/api/v1/tokens' }
  t.equal(await ask(app, headers, write), '403 xsrf_invalid', 'a change without an Origin')
  t.equal(await ask(app, { ...headers, origin: app.origin }, write), '201')
})

t.test('a hub with another address than the one it is set up for', async (t) => {
  const app = await startApp(t, { settings: { ...LOGIN, publicUrl: 'https://hub.example' } })
  const { cookie, xsrf } = await logIn(app)
  for (const [origin, outcome] of [
    [app.origin, '200 alice'],
    ['https://hub.example', '200 alice'],
    ['https://evil.example', '403 xsrf_invalid'],
  ] as const) {
    t.equal(await ask(app, { cookie, 'x-xsrf-token': xsrf, origin }), outcome, origin)
  }
})

t.test('a forwarded host counts only from a proxy that is trusted', async (t) => {
  const headers = { 'x-forwarded-host': 'hub.example', origin: 'https://hub.example' }
  for (const [trustProxy, outcome] of [
    [['127.0.0.1'], '200 alice'],
    [[], '403 xsrf_invalid'],
  ] as const) {
    const app = await startApp(t, { settings: { ...LOGIN, trustProxy } })
    const { cookie, xsrf } = await logIn(app)
    t.equal(await ask(app, { cookie, 'x-xsrf-token': xsrf, ...headers }), outcome)
  }
})

t.test('a cookie that is not ours, was changed or is too old is no session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, xsrf } = await logIn(app)
  const foreign = await createSigner(await generateSigningKey())
  for (const [what, hostile] of Object.entries({
    'of another proxy': `rexec-session=${await sealSession(foreign, ALICE)}`,
    changed: `${cookie.slice(0, -6)}AAAAAA`,
    'too old': `rexec-session=${await sealSession(app.signer, ALICE, -1)}`,
    'the bare token': `rexec-session=${ALICE}`,
    'an exec token': `rexec-session=${(await app.signer.sign('exec', { user: 'alice' }, 60)).token}`,
    empty: 'rexec-session=',
    'not decodable': 'rexec-session=%zz',
  })) {
    t.equal(await ask(app, { cookie: hostile, 'x-xsrf-token': xsrf }), '401 token_invalid', what)
  }
  t.equal(await ask(app, { 'x-xsrf-token': xsrf }), '401 token_missing')
  t.equal(
    await ask(app, { cookie: 'rexec-session2=x; x=rexec-session', 'x-xsrf-token': xsrf }),
    '401 token_missing',
  )
})

t.test('a cookie that another page has set for a longer path is noticed', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, cookie, xsrf } = await logIn(app)
  const attacker = (await logIn(app, BOB)).cookie
  for (const both of [`${attacker}; ${cookie}`, `${cookie}; ${attacker}`, `${cookie};${cookie}`]) {
    t.equal(await ask(app, { cookie: both, 'x-xsrf-token': xsrf }), '400 login_failed')
  }
  browser.toss('rexec-session', attacker.slice('rexec-session='.length), '/services/rexec/api')
  const page = await browser.visit(`${app.url}/`)
  t.equal(page.status, 200, 'the page itself is not below that path')
  browser.toss('rexec-session', 'x', '/services')
  const refused = await browser.visit(`${app.url}/`)
  t.equal(refused.status, 400)
  t.match(refused.body, /two cookies called rexec-session\. Remove the cookies of this site/)
})

t.test('the token of a session is in no log, answer or page', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, cookie, xsrf } = await logIn(app)
  const { body, headers } = await browser.visit(`${app.url}/`)
  await ask(app, { cookie, 'x-xsrf-token': xsrf })
  await ask(app, { cookie, 'x-xsrf-token': 'x' })
  app.cluster.failure = new Error(`the cluster says: ${ALICE}`)
  await ask(app, { cookie, 'x-xsrf-token': xsrf }, { path: '/api/v1/servers' })
  const seen = JSON.stringify([body, headers, app.log])
  for (const secret of [ALICE, cookie.slice('rexec-session='.length)]) t.notMatch(seen, secret)
  t.notMatch(JSON.stringify(app.log), xsrf)
})

t.test(
  "the hub's own cookie goes to the identity check, since a logout there ends the session",
  async (t) => {
    const asked: unknown[] = []
    const identities = {
      authenticate: async (_token: string, options?: object) => {
        asked.push(options)
        return { name: 'alice', groups: [], authenticator: 'test' }
      },
      check: async () => {},
    }
    const app = await startApp(t, { settings: LOGIN, identities })
    const { cookie, xsrf } = await logIn(app)
    asked.length = 0
    const both = `${cookie}; jupyterhub-session-id=abc`
    await ask(app, { cookie: both, 'x-xsrf-token': xsrf })
    await ask(
      app,
      { cookie: both, 'x-xsrf-token': xsrf, origin: app.origin },
      { method: 'POST', path: '/api/v1/tokens' },
    )
    await ask(app, { cookie: both, authorization: `Bearer ${ALICE}` })
    t.same(asked, [{ fresh: false, cookie: 'abc' }, { fresh: true, cookie: 'abc' }, { fresh: false }])
  },
)
