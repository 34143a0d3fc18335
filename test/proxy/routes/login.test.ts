import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createSeal } from '../../../common/seal.ts'
import { FakeBrowser, NAVIGATION, SCRIPT } from '../../support/fake-browser.ts'
import { LOGIN, logIn, openPage } from '../../support/session.ts'
import { ALICE, startApp } from '../../support/test-app.ts'

/** A hub's token endpoint that gives the same answer to every code, and keeps what it was asked. */
async function fakeTokens(t: Test, status: number, body: string) {
  const asked: URLSearchParams[] = []
  const server = createServer(async (request, response) => {
    let form = ''
    for await (const chunk of request) form += chunk
    asked.push(new URLSearchParams(form))
    response.writeHead(status, { location: '/elsewhere' }).end(body)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const { jupyterhub, ...identity } = LOGIN.identity
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hub/api`
  return { asked, settings: { identity: { ...identity, jupyterhub: { ...jupyterhub, apiUrl } } } }
}

const good = JSON.stringify({ access_token: ALICE, token_type: 'Bearer', expires_in: 3600 })

/** Sends the browser to the hub, and gives what the hub was told. */
async function begin(browser: FakeBrowser, url: string, query = '') {
  const answer = await browser.visit(`${url}/login${query}`, { redirects: 0 })
  const asked = new URL(`${answer.headers.location}`, url)
  return { asked, state: asked.searchParams.get('state')! }
}

t.test('the browser is sent to the hub with a state and a challenge of its own', async (t) => {
  const { url } = await startApp(t, { settings: LOGIN })
  const browser = new FakeBrowser()
  const { asked, state } = await begin(browser, url)
  t.equal(asked.pathname, '/hub/api/oauth2/authorize')
  const { code_challenge, ...query } = Object.fromEntries(asked.searchParams)
  t.same(query, {
    client_id: 'service-rexec',
    redirect_uri: '/services/rexec/oauth_callback',
    response_type: 'code',
    state,
    code_challenge_method: 'S256',
  })
  t.match(code_challenge, /^[\w-]{43}$/)
  const [cookie, ...others] = browser.cookies
  t.same(others, [])
  t.equal(cookie!.path, '/services/rexec/oauth_callback')
  t.match(cookie!.attributes, /Max-Age=600; Path=.*; HttpOnly; SameSite=Lax$/)
  t.notMatch(cookie!.value, state)
  t.not((await begin(browser, url)).state, state)
})

t.test('a hub elsewhere, below a base_url, or called otherwise', async (t) => {
  const { jupyterhub, ...identity } = LOGIN.identity
  for (const [settings, hub, start] of [
    [
      {},
      { publicUrl: 'https://hub.example/base/' },
      'https://hub.example/base/hub/api/oauth2/authorize?client_id=service-rexec&',
    ],
    [{ prefix: '/base/services/rexec' }, {}, '/base/hub/api/oauth2/authorize?'],
    [
      { prefix: '/services/lab' },
      { serviceName: 'lab' },
      '/hub/api/oauth2/authorize?client_id=service-lab&redirect_uri=%2Fservices%2Flab%2Foauth_callback&',
    ],
  ] as const) {
    const { url } = await startApp(t, {
      settings: { identity: { ...identity, jupyterhub: { ...jupyterhub, ...hub } }, ...settings },
    })
    const answer = await new FakeBrowser().visit(`${url}/login`, { redirects: 0 })
    t.ok(`${answer.headers.location}`.startsWith(start), `${answer.headers.location}`)
  }
})

t.test(
  'the hub is shown the code with its secret and verifier, and the browser gets a session',
  async (t) => {
    const { asked, settings } = await fakeTokens(t, 200, good)
    const app = await startApp(t, { settings })
    const browser = new FakeBrowser()
    const sent = await begin(browser, app.url, '?next=/services/rexec/docs')
    const back = `${app.url}/oauth_callback?code=planted-code&state=${sent.state}`
    const answer = await browser.visit(back, { redirects: 0 })
    t.equal(answer.status, 302)
    t.equal(answer.headers.location, '/services/rexec/docs')
    const { code_verifier, ...form } = Object.fromEntries(asked[0]!)
    t.same(form, {
      client_id: 'service-rexec',
      client_secret: LOGIN.identity.jupyterhub.apiToken,
      grant_type: 'authorization_code',
      code: 'planted-code',
      redirect_uri: '/services/rexec/oauth_callback',
    })
    const challenge = createHash('sha256').update(code_verifier!).digest('base64url')
    t.equal(challenge, sent.asked.searchParams.get('code_challenge'))
    const [session, ...others] = browser.cookies
    t.same(others, [], 'the state is gone')
    t.equal(session!.path, '/services/rexec/')
    t.match(
      session!.attributes,
      /^Max-Age=3600; Path=.*; HttpOnly; SameSite=Lax$/,
      'no longer than the token',
    )
    t.equal((await openPage(browser, `${app.url}/`)).status, 200)

    const log = JSON.stringify(app.log)
    t.match(log, /"audit":\{"action":"session.begin","user":"alice","outcome":"begun"/)
    for (const secret of ['planted-code', sent.state, code_verifier!, ALICE]) t.notMatch(log, secret)
    t.equal((await browser.visit(back)).status, 400, 'the same answer a second time')
    t.equal(asked.length, 1)
  },
)

t.test('on a hub that gives each service a host of its own, the way back names that host', async (t) => {
  const { jupyterhub, ...identity } = LOGIN.identity
  const publicUrl = 'https://rexec.hub.example'
  for (const [hub, callback] of [
    ['https://hub.example/', 'https://rexec.hub.example/services/rexec/oauth_callback'],
    ['https://rexec.hub.example/', '/services/rexec/oauth_callback'],
    ['/', '/services/rexec/oauth_callback'],
  ]) {
    const settings = { publicUrl, identity: { ...identity, jupyterhub: { ...jupyterhub, publicUrl: hub } } }
    const { url } = await startApp(t, { settings })
    const { asked } = await begin(new FakeBrowser(), url)
    t.equal(asked.searchParams.get('redirect_uri'), callback, `${hub}`)
  }
})

t.test('cookies are for https alone where users come by https', async (t) => {
  const { settings } = await fakeTokens(t, 200, good)
  const { url } = await startApp(t, { settings: { ...settings, publicUrl: 'https://hub.example' } })
  const browser = new FakeBrowser()
  const { state } = await begin(browser, url)
  t.match(browser.cookies[0]!.attributes, '; Secure')
  await browser.visit(`${url}/oauth_callback?code=x&state=${state}`, { redirects: 0 })
  t.match(browser.cookies[0]!.name, 'rexec-session')
  t.match(browser.cookies[0]!.attributes, '; Secure')
})

t.test('an answer to a login that this browser has not begun is refused', async (t) => {
  const { asked, settings } = await fakeTokens(t, 200, good)
  const { url } = await startApp(t, { settings })
  const [alice, bob] = [new FakeBrowser(), new FakeBrowser()]
  const [hers, his] = [await begin(alice, url), await begin(bob, url)]
  const callback = (query: string) => `${url}/oauth_callback?${query}`
  const cookie = { name: alice.cookies[0]!.name, value: bob.cookies[0]!.value }
  for (const [what, query] of Object.entries({
    "the attacker's own answer": `code=his&state=${his.state}`,
    'no state': 'code=his',
    'an empty state': 'code=his&state=',
    'another state with the same beginning': `code=his&state=${hers.state.slice(0, 8)}${'x'.repeat(35)}`,
    'a state that would name another cookie': 'code=his&state=../../../x',
    'two states': `code=his&state=${hers.state}&state=${his.state}`,
  })) {
    const answer = await alice.visit(callback(query))
    t.equal(answer.status, 400, what)
    t.notMatch(answer.body, his.state)
  }
  t.notOk(alice.cookie('rexec-session'))
  alice.toss(cookie.name, cookie.value, '/services/rexec/oauth_callback')
  t.equal((await alice.visit(callback(`code=his&state=${hers.state}`))).status, 400, "another login's cookie")
  t.same(asked, [], 'no code was shown to the hub')
})

t.test('a login and a session last as long as is set', async (t) => {
  const { settings } = await fakeTokens(t, 200, good)
  const session = { seconds: 300, loginSeconds: 60 }
  const app = await startApp(t, { settings: { ...settings, session } })
  const browser = new FakeBrowser()
  const { state } = await begin(browser, app.url)
  t.match(browser.cookies[0]!.attributes, 'Max-Age=60;')
  await browser.visit(`${app.url}/oauth_callback?code=x&state=${state}`, { redirects: 0 })
  t.match(browser.cookie('rexec-session')!.attributes, 'Max-Age=300;')

  const seal = createSeal(app.signer.deriveKey('login'), 'login')
  const late = { state: 'x'.repeat(43), verifier: 'y'.repeat(43), next: '/services/rexec/' }
  const finish = async (seconds: number) => {
    const cookie = await seal.close(late, seconds)
    browser.toss('rexec-login-xxxxxxxx', cookie, '/services/rexec/oauth_callback')
    return browser.visit(`${app.url}/oauth_callback?code=x&state=${late.state}`, { redirects: 0 })
  }
  t.equal((await finish(1)).status, 302)
  const answer = await finish(-1)
  t.equal(answer.status, 400, 'also when the browser has kept its cookie for longer')
  t.match(answer.body, 'or too long ago')
})

t.test('tabs that a browser opens again at once all log in', async (t) => {
  const { settings } = await fakeTokens(t, 200, good)
  const { url } = await startApp(t, { settings })
  const browser = new FakeBrowser()
  const states = [await begin(browser, url), await begin(browser, url), await begin(browser, url)]
  for (const { state } of states.toReversed()) {
    t.equal((await browser.visit(`${url}/oauth_callback?code=x&state=${state}`)).status, 200)
  }
})

t.test('nobody is sent elsewhere after a login', async (t) => {
  const { url } = await startApp(t, { settings: { ...LOGIN, prefix: '/services/rexec.v1' } })
  const prefix = '/services/rexec.v1'
  const hostile = [
    ...['//evil.example', 'https://evil.example/', '/\\evil.example', 'javascript:alert(1)', '', 'docs', '/'],
    ...['/user/bob/', '/services/rexec', '/services/rexec.v1', '/services/rexecXv1/', '/services/rexec.v1x/'],
    ...[
      '/../../user/bob',
      '/..',
      '/../',
      '/./x',
      '//evil.example',
      '/docs//x',
      '/docs/..%2f..',
      '/\\..\\..',
    ].map((path) => prefix + path),
    ...['/?x=y', '/#x', '/a b', '/\r\nset-cookie:x=y', '/\t/evil.example', '/@evil.example', '/ä'].map(
      (path) => prefix + path,
    ),
    `${prefix}/${'a'.repeat(600)}`,
  ]
  for (const next of hostile) {
    const answer = await new FakeBrowser().visit(`${url}/login?next=${encodeURIComponent(next)}`, {
      redirects: 0,
    })
    t.equal(answer.status, 400, JSON.stringify(next.slice(0, 60)))
  }
  for (const next of ['/', '/docs', '/docs/static/index.html', '/a-b_c~1.2/']) {
    const answer = await new FakeBrowser().visit(`${url}/login?next=${prefix}${next}`, { redirects: 0 })
    t.equal(answer.status, 302, next)
  }
})

t.test('what goes wrong at the hub is a page that says so', async (t) => {
  for (const [status, body, expected, text] of [
    [400, '{"error": "invalid_grant"}', 400, 'The hub did not accept its own answer.'],
    [403, '', 400, 'The hub did not accept its own answer.'],
    [500, 'planted-answer', 503, 'does not answer'],
    [302, '', 503, 'does not answer'],
    [200, 'planted-answer', 503, 'does not answer'],
    [200, '{}', 503, 'does not answer'],
    [200, '{"access_token": 5}', 503, 'does not answer'],
    [200, '{"access_token": "planted-of-nobody"}', 401, 'not known or has expired'],
    [200, JSON.stringify({ access_token: 'x'.repeat(4000) }), 401, 'not known or has expired'],
  ] as const) {
    const { settings } = await fakeTokens(t, status, body)
    const app = await startApp(t, { settings })
    const browser = new FakeBrowser()
    const { state } = await begin(browser, app.url)
    const answer = await browser.visit(`${app.url}/oauth_callback?code=planted-code&state=${state}`)
    t.equal(answer.status, expected, `${status} ${body.slice(0, 40)}`)
    t.match(answer.headers['content-type'], 'text/html')
    t.match(answer.body, text)
    t.match(answer.body, /href="\.\/">Try again/)
    t.same(browser.cookies, [], 'neither a session nor the state is left')
    t.notMatch(`${answer.body}${JSON.stringify(app.log)}`, /planted/)
  }
})

t.test('a token that no cookie can hold is not cut off', async (t) => {
  const token = 'x'.repeat(4000)
  const { settings } = await fakeTokens(t, 200, JSON.stringify({ access_token: token }))
  const users = [{ name: 'alice', token }]
  const identity = { ...settings.identity, static: { users } }
  const { url } = await startApp(t, { settings: { identity } })
  const browser = new FakeBrowser()
  const { state } = await begin(browser, url)
  const answer = await browser.visit(`${url}/oauth_callback?code=x&state=${state}`)
  t.equal(answer.status, 400)
  t.match(answer.body, 'too long to be kept in a cookie')
})

t.test('a hub that is away, or that says no', async (t) => {
  const { url } = await startApp(t, { settings: LOGIN })
  const browser = new FakeBrowser()
  const { state } = await begin(browser, url)
  const away = await browser.visit(`${url}/oauth_callback?code=x&state=${state}`)
  t.equal(away.status, 503)
  t.match(away.headers['retry-after'], /^\d+$/)
  const second = await begin(browser, url)
  const error = encodeURIComponent('<script>access_denied')
  const denied = await browser.visit(`${url}/oauth_callback?error=${error}&state=${second.state}&more=1`)
  t.equal(denied.status, 400)
  t.match(denied.body, 'The hub did not log you in.')
  t.notMatch(denied.body, 'access_denied')
})

t.test('scripts and frames of this host can neither begin nor end a login', async (t) => {
  const { asked, settings } = await fakeTokens(t, 200, good)
  const { url } = await startApp(t, { settings })
  const browser = new FakeBrowser()
  const { state } = await begin(browser, url)
  for (const headers of [SCRIPT, { ...NAVIGATION, 'sec-fetch-dest': 'iframe' }]) {
    for (const path of ['/login', `/oauth_callback?code=x&state=${state}`]) {
      const answer = await browser.visit(url + path, { headers, redirects: 0 })
      t.equal(answer.status, 400)
      t.match(answer.body, 'takes place in a window of its own')
    }
  }
  const head = await browser.visit(`${url}/oauth_callback?code=x&state=${state}`, { method: 'HEAD' })
  t.equal(head.status, 405)
  t.same(asked, [])
})

t.test('a logout takes the session away and leads to that of the hub', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, cookie, authorization, logout } = await logIn(app)
  const post = (form: Record<string, string>, headers = {}) =>
    browser.visit(`${app.url}/logout`, {
      method: 'POST',
      form,
      headers: { ...NAVIGATION, 'sec-fetch-site': 'cross-site', origin: 'null', ...headers },
    })
  for (const [what, shown, status] of [
    ['nothing', '', 401],
    ['a guess', 'x'.repeat(40), 401],
    ['the cookie', cookie.slice('rexec-session='.length), 401],
    ['what requests show', authorization.slice('Session '.length), 401],
    ['too much', 'x'.repeat(5000), 400],
  ] as const) {
    t.equal((await post({ shown })).status, status, what)
  }
  t.equal((await post({})).status, 400)
  t.equal((await post({}, { cookie, authorization })).status, 400, 'not by another page')
  t.ok(browser.cookie('rexec-session'))
  const answer = await post({ shown: logout })
  t.equal(answer.status, 200)
  t.equal(answer.headers.refresh, '0; url=/hub/logout')
  t.match(answer.body, 'You are logged out of rexec')
  t.same(browser.cookies, [])
  t.match(
    app.log.flatMap(({ audit }) => audit ?? []),
    [{ action: 'session.end', user: 'alice', outcome: 'ended' }],
  )
})
