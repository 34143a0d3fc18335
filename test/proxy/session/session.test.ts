import { mock } from 'node:test'
import t from 'tap'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { FakeBrowser, SANDBOXED, SCRIPT } from '../../support/fake-browser.ts'
import { LOGIN, logIn, openPage, sealSession } from '../../support/session.ts'
import { ALICE, BOB, bodyOf, startApp, type TestApp } from '../../support/test-app.ts'

/** What came of a request to the API with these headers and no token. */
async function ask(
  { fetch }: Pick<TestApp, 'fetch'>,
  headers: Record<string, string>,
  { method = 'GET', path = '/api/v1/user', ...more }: { method?: string; path?: string; json?: unknown } = {},
): Promise<string> {
  const answer = await fetch(path, { token: null, method, headers: { ...SANDBOXED, ...headers }, ...more })
  const { code, name } = answer.status === 204 ? {} : await bodyOf<{ code?: string; name?: string }>(answer)
  return code ? `${answer.status} ${code}` : `${answer.status}${name ? ` ${name}` : ''}`
}

t.test('our page acts with what it has been given, and needs no cookie', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { authorization } = await logIn(app)
  t.equal(await ask(app, { authorization }), '200 alice')
  t.equal(await ask(app, { authorization: authorization.replace('Session', 'session') }), '200 alice')
  const server = { method: 'POST', path: '/api/v1/servers', json: { python: '3.12' } }
  t.equal(await ask(app, { authorization }, server), '201')
  t.equal(await ask(app, { authorization }, { path: '/api/v1/servers/default' }), '200 default')
  t.equal(await ask(app, { authorization }, { method: 'DELETE', path: '/api/v1/servers/default' }), '204')
  const review = { method: 'POST', path: '/api/v1/token-reviews', json: { token: ALICE } }
  t.equal(await ask(app, { authorization }, review), '401 token_missing', 'brokers have no pages')
  t.equal(await ask(app, { authorization }, { path: '/broker-config' }), '401 token_missing', 'nor clients')
})

t.test('the cookie alone never acts, whoever has it sent', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie, authorization } = await logIn(app)
  const value = cookie.slice('rexec-session='.length)
  const shown = authorization.slice('Session '.length)
  const write = { method: 'POST', path: '/api/v1/servers', json: { python: '3.12' } }
  for (const [what, headers] of Object.entries<Record<string, string>>({
    'a page of the same host': { ...SCRIPT, origin: app.origin },
    'a sandboxed page': {},
    'another site': { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    'what the page has, in a cookie': { cookie: `${cookie}; session=${shown}; authorization=${shown}` },
    'what the page has, as the session cookie': { cookie: `rexec-session=${shown}` },
  })) {
    t.equal(await ask(app, { cookie, ...headers }), '401 token_missing', what)
    t.equal(await ask(app, { cookie, ...headers }, write), '401 token_missing', what)
  }
  t.equal(await ask(app, { cookie, authorization: `Session ${value}` }), '401 token_invalid', 'as a header')
  t.same(app.cluster.calls, [])
})

t.test('a token acts for itself beside any session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { cookie } = await logIn(app)
  t.equal(await ask(app, { cookie, authorization: `Bearer ${BOB}` }), '200 bob')
  t.equal(await ask(app, { cookie: 'rexec-session=x', authorization: `Bearer ${BOB}` }), '200 bob')
  t.equal(await ask(app, { cookie, authorization: 'Bearer nobody-knows-this' }), '401 token_invalid')
})

t.test('any proxy with the same signing key knows the session, and none with another', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const other = await startApp(t, { settings: LOGIN })
  const { authorization } = await logIn(app)
  t.equal(await ask(other, { authorization }), '401 token_invalid')
  const same = await startApp(t, { settings: LOGIN, signer: app.signer })
  t.equal(await ask(same, { authorization }), '200 alice')
})

t.test('what our page has not been given is no session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { authorization, logout } = await logIn(app)
  const foreign = { signer: await createSigner(await generateSigningKey()), url: app.url }
  const short = new FakeBrowser()
  short.toss('rexec-session', await sealSession(foreign.signer, ALICE), '/services/rexec/')
  for (const [what, hostile] of Object.entries({
    changed: `${authorization.slice(0, -6)}AAAAAA`,
    'cut off': authorization.slice(0, -1),
    'what a logout shows': `Session ${logout}`,
    'the bare token': `Session ${ALICE}`,
    'an exec token': `Session ${(await app.signer.sign('exec', { user: 'alice' }, 60)).token}`,
    nonsense: 'Session x',
  })) {
    t.equal(await ask(app, { authorization: hostile }), '401 token_invalid', what)
  }
  for (const malformed of ['Session', 'Session ', 'Session a b', `${authorization}, ${authorization}`]) {
    t.equal(await ask(app, { authorization: malformed }), '401 token_invalid', malformed.slice(0, 20))
  }
  const page = await openPage(short, `${app.url}/`)
  t.match(page.url, '/hub/api/oauth2/authorize', 'the cookie of a proxy with another key')
})

t.test('what the page has been given ends with the session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, authorization, logout } = await logIn(app)
  t.teardown(() => mock.timers.reset())
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 })
  t.equal(await ask(app, { authorization }), '401 token_invalid')
  t.match((await openPage(browser, `${app.url}/`)).url, '/hub/api/oauth2/authorize')
  const late = await browser.visit(`${app.url}/logout`, { method: 'POST', form: { shown: logout } })
  t.match([late.status, late.body], [401, 'Your session is over.'])
})

t.test('a cookie that another page has set for a longer path is noticed', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const attacker = (await logIn(app, BOB)).cookie
  browser.toss('rexec-session', attacker.slice('rexec-session='.length), '/services/rexec/api')
  t.equal((await openPage(browser, `${app.url}/`)).status, 200, 'the page itself is not below that path')
  browser.toss('rexec-session', 'x', '/services')
  const refused = await openPage(browser, `${app.url}/`)
  t.equal(refused.status, 400)
  t.match(refused.body, /two cookies called rexec-session\. Remove the cookies of this site/)
})

t.test('the token of a session is in no log, answer or page', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, cookie, authorization, logout } = await logIn(app)
  const { body, headers } = await openPage(browser, `${app.url}/`)
  await ask(app, { authorization })
  await ask(app, { authorization: `${authorization}x` })
  app.cluster.failure = new Error(`the cluster says: ${ALICE}`)
  await ask(app, { authorization }, { path: '/api/v1/servers' })
  const seen = JSON.stringify([body, headers, app.log])
  for (const secret of [ALICE, cookie.slice('rexec-session='.length)]) t.notMatch(seen, secret)
  for (const secret of [authorization.slice('Session '.length), logout])
    t.notMatch(JSON.stringify(app.log), secret)
})

t.test('the page is given only for a token of the login that the browser has at the hub', async (t) => {
  const asked: unknown[] = []
  const identities = {
    authenticate: async (_token: string, options?: object) => {
      asked.push(options)
      return { name: 'alice', groups: [], authenticator: 'test' }
    },
    check: async () => {},
  }
  const app = await startApp(t, { settings: LOGIN, identities })
  const { browser, authorization } = await logIn(app)
  browser.toss('jupyterhub-session-id', 'abc', '/')
  asked.length = 0
  await openPage(browser, `${app.url}/`)
  await ask(app, { authorization })
  await ask(app, { authorization }, { method: 'POST', path: '/api/v1/tokens' })
  t.same(asked, [{ cookie: 'abc' }, { cookie: 'abc' }, { fresh: false }, { fresh: true }])
})
