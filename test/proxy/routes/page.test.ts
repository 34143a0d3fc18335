import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FakeBrowser, NAVIGATION, SCRIPT } from '../../support/fake-browser.ts'
import { FORM_OF_OURS, LOGIN, logIn, openPage, sealSession } from '../../support/session.ts'
import { ALICE, BOB, startApp, type TestApp } from '../../support/test-app.ts'

t.test('a browser gets the page, a program the index', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const page = await openPage(browser, `${app.url}/`)
  t.equal(page.status, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(page.headers['cache-control'], 'no-store')
  t.equal(page.headers['x-frame-options'], 'DENY')
  const policy = `${page.headers['content-security-policy']}`
  for (const rule of [
    "default-src 'none'",
    "script-src 'self'",
    "frame-ancestors 'none'",
    '; sandbox allow-',
  ])
    t.match(policy, rule)
  const asks = `connect-src 'self' ${app.origin};`
  t.match(policy, asks, 'WebKit wants the address')
  t.notMatch(policy.replace(asks, ''), /unsafe|\*|https?:|allow-same-origin/)
  t.notMatch(page.body, /<script>|style=|\son\w+=/, 'nothing that the policy would stop')
  t.notMatch(page.body, 'alice', 'the page asks who it is for')
  for (const headers of [{ accept: '' }, { accept: '*/*' }, { accept: 'application/json' }, SCRIPT]) {
    t.match(JSON.parse((await browser.visit(`${app.url}/`, { headers })).body), { service: 'rexec' })
  }
})

t.test(
  'what answers a GET, which service workers can get hold of, holds nothing of the session',
  async (t) => {
    const app = await startApp(t, { settings: LOGIN })
    const { browser } = await logIn(app)
    const one = await browser.visit(`${app.url}/`)
    t.match(one.body, '<form id="open" method="post" action="./">')
    t.equal(one.headers['referrer-policy'], 'same-origin', 'else the form has no origin')
    const bob = await logIn(app, BOB)
    t.equal((await bob.browser.visit(`${app.url}/`)).body, one.body, 'the same for everybody')
    t.equal(one.headers['set-cookie'], undefined)
  },
)

t.test('the page has an address with a slash, since its links begin there', async (t) => {
  const { url } = await startApp(t, { settings: LOGIN })
  const answer = await new FakeBrowser().visit(url, { redirects: 0 })
  t.equal(answer.status, 308)
  t.equal(answer.headers.location, '/services/rexec/')
})

t.test('the page goes to no script and into no frame of this host', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const attempts = {
    'fetch()': { ...SCRIPT, accept: 'text/html' },
    'fetch() without CORS': { ...SCRIPT, 'sec-fetch-mode': 'no-cors', accept: 'text/html' },
    'an iframe': { ...FORM_OF_OURS, 'sec-fetch-dest': 'iframe' },
    'a frame': { ...FORM_OF_OURS, 'sec-fetch-dest': 'frame' },
    'an object': { ...FORM_OF_OURS, 'sec-fetch-dest': 'object' },
    'an embed': { ...FORM_OF_OURS, 'sec-fetch-dest': 'embed' },
    'a script element': { accept: '*/*', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
    'a service worker': { ...FORM_OF_OURS, 'sec-fetch-dest': 'empty' },
    "a service worker's preload": { ...FORM_OF_OURS, 'service-worker-navigation-preload': 'true' },
    'a preload without a value': { ...FORM_OF_OURS, 'service-worker-navigation-preload': '' },
  }
  for (const [what, headers] of Object.entries<Record<string, string>>(attempts)) {
    for (const method of ['GET', 'POST']) {
      const form = method === 'POST' ? { form: {} } : {}
      const answer = await browser.visit(`${app.url}/`, {
        method,
        ...form,
        headers: { origin: app.origin, ...headers },
      })
      if (method === 'POST')
        t.match([answer.status, answer.body], [403, 'opens in a window of its own only'], what)
      t.notMatch(answer.body, /name="session"|name="shown"|id="open"/, what)
    }
  }
  const framed = await browser.visit(`${app.url}/`, { headers: attempts['an iframe'] })
  t.equal(framed.status, 403)
  t.match(framed.headers['content-security-policy'], "frame-ancestors 'none'")
})

t.test('the form comes from this host, or gets no page', async (t) => {
  const post = async (app: TestApp, headers: Record<string, string>) => {
    const { browser } = await logIn(app)
    const { body } = await browser.visit(`${app.url}/`, { method: 'POST', form: {}, headers })
    return body.includes('name="session"')
  }
  const app = await startApp(t, { settings: LOGIN })
  t.ok(await post(app, FORM_OF_OURS))
  for (const site of ['cross-site', 'same-site', 'none', ''])
    t.notOk(await post(app, { ...FORM_OF_OURS, origin: app.origin, 'sec-fetch-site': site }), site)

  // Without TLS the origin is all that the browser tells.
  const { accept } = NAVIGATION
  t.ok(await post(app, { accept, origin: app.origin }))
  const origins = [
    'https://evil.example',
    'null',
    'http://127.0.0.1.evil.example',
    'nonsense',
    `${app.origin}0`,
  ]
  for (const origin of origins) t.notOk(await post(app, { accept, origin }), origin)
  t.notOk(await post(app, { accept }), 'no origin')

  const hub = await startApp(t, { settings: { ...LOGIN, publicUrl: 'http://hub.example' } })
  for (const [origin, outcome] of [
    [hub.origin, true],
    ['http://hub.example', true],
    ['http://evil.example', false],
  ] as const) {
    t.equal(await post(hub, { accept, origin }), outcome, `${origin}, of a hub with two addresses`)
  }
  for (const [trustProxy, outcome] of [
    [['127.0.0.1'], true],
    [[], false],
  ] as const) {
    const behind = await startApp(t, { settings: { ...LOGIN, trustProxy } })
    const headers = { accept, 'x-forwarded-host': 'hub.example', origin: 'http://hub.example' }
    t.equal(await post(behind, headers), outcome, 'a forwarded host counts from a trusted proxy')
  }
})

t.test('over https a browser that does not say what it wants the page for does not get it', async (t) => {
  const { accept } = NAVIGATION
  for (const [settings, headers, status] of [
    [{}, {}, 200],
    [{ publicUrl: 'https://hub.example' }, {}, 403],
    [{ publicUrl: 'https://hub.example' }, NAVIGATION, 200],
    [{}, { 'x-forwarded-proto': 'https' }, 403],
  ] as const) {
    const app = await startApp(t, { settings: { ...LOGIN, ...settings } })
    const browser = new FakeBrowser()
    browser.toss('rexec-session', await sealSession(app.signer, ALICE), '/services/rexec/')
    const answer = await browser.visit(`${app.url}/`, { headers: { accept, ...headers } })
    t.equal(answer.status, status, JSON.stringify([settings, headers]))
  }
})

t.test('who is not logged in is sent to the hub; who may not use it is told so', async (t) => {
  const app = await startApp(t, { settings: { ...LOGIN, securityModel: { access: { denyUsers: ['bob'] } } } })
  const visit = async (cookie?: string) => {
    const browser = new FakeBrowser()
    if (cookie) browser.toss('rexec-session', cookie, '/services/rexec/')
    return browser.visit(`${app.url}/`, { redirects: 0 })
  }
  for (const cookie of [undefined, 'nonsense', await sealSession(app.signer, 'a-token-that-has-ended')]) {
    const answer = await visit(cookie)
    t.equal(answer.status, 303)
    t.match(answer.headers.location, /^\/hub\/api\/oauth2\/authorize\?/)
  }
  const denied = await visit(await sealSession(app.signer, BOB))
  t.equal(denied.status, 403)
  t.match(denied.body, 'You are known but not allowed')
  t.match(denied.body, /not_allowed, request [\da-f-]{36}/)
})

t.test('styles and scripts are asked for again only when they have changed', async (t) => {
  const { url } = await startApp(t, { settings: LOGIN })
  for (const [name, type] of [
    ['page.css', /^text\/css/],
    ['page.js', /^text\/javascript/],
    ['icon.svg', /^image\/svg/],
  ] as const) {
    const answer = await fetch(`${url}/page/${name}`)
    t.equal(answer.status, 200, name)
    t.match(answer.headers.get('content-type'), type)
    t.equal(answer.headers.get('cache-control'), 'no-cache')
    t.equal(answer.headers.get('cross-origin-resource-policy'), 'cross-origin', 'our page has another origin')
    t.equal(answer.headers.get('access-control-allow-origin'), '*')
    const etag = answer.headers.get('etag')!
    const again = await fetch(`${url}/page/${name}`, { headers: { 'if-none-match': etag } })
    t.equal(again.status, 304)
    t.equal(await again.text(), '')
  }
  for (const name of ['index.html', 'open.html', 'message.ts', 'tsconfig.json', '', '..%2fapp.ts']) {
    t.equal((await fetch(`${url}/page/${name}`)).status, 404, name)
  }
})

t.test('the page takes only the very styles and scripts that were there when it was made', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const form = await browser.visit(`${app.url}/`)
  const html = form.body + (await openPage(browser, `${app.url}/`)).body
  const scripts: string[] = []
  for (const [, name, hash] of html.matchAll(
    /"page\/([\w-]+\.(?:css|js))" crossorigin integrity="sha256-([^"]+)"/g,
  )) {
    const content = await (await fetch(`${app.url}/page/${name}`)).text()
    t.equal(hash, createHash('sha256').update(content).digest('base64'), `${name}`)
    if (name!.endsWith('.js')) scripts.push(name!)
  }
  const folder = await readdir(join(import.meta.dirname, '../../../proxy/page'))
  t.same(scripts.sort(), folder.filter((name) => name.endsWith('.js')).sort(), 'none is loaded without')
})

t.test('without a hub, people are told how to use the service with a token', async (t) => {
  const { url, fetch } = await startApp(t)
  const page = await new FakeBrowser().visit(`${url}/`)
  t.equal(page.status, 200)
  t.match(page.body, 'This service is used with a token')
  t.match(page.body, `${url}/api/v1/servers`)
  t.notMatch(page.body, '<script')
  for (const path of ['/login', '/oauth_callback']) t.equal((await fetch(path)).status, 404, path)
  t.equal((await fetch('/logout', { method: 'POST' })).status, 404)
})
