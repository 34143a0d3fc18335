import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { FakeBrowser, NAVIGATION, SCRIPT } from '../../support/fake-browser.ts'
import { LOGIN, logIn, sealSession, xsrfIn } from '../../support/session.ts'
import { ALICE, BOB, startApp } from '../../support/test-app.ts'

t.test('a browser gets the page, a program the index', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const page = await browser.visit(`${app.url}/`)
  t.equal(page.status, 200)
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  t.equal(page.headers['cache-control'], 'no-store')
  t.equal(page.headers['x-frame-options'], 'DENY')
  t.equal(page.headers['cross-origin-opener-policy'], 'noopener-allow-popups')
  const policy = `${page.headers['content-security-policy']}`
  for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
    t.match(policy, rule)
  t.notMatch(policy, /unsafe|\*|https?:/)
  t.notMatch(page.body, /<script>|style=|\son\w+=/, 'nothing that the policy would stop')
  t.notMatch(page.body, 'alice', 'the page asks who it is for')
  for (const headers of [{ accept: '' }, { accept: '*/*' }, { accept: 'application/json' }, SCRIPT]) {
    t.match(JSON.parse((await browser.visit(`${app.url}/`, { headers })).body), { service: 'rexec' })
  }
})

t.test(
  'a browser that does not know the best of cutting off other windows is told the second best',
  async (t) => {
    const app = await startApp(t, { settings: LOGIN })
    const { browser } = await logIn(app)
    for (const [agent, policy] of [
      ['Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0', 'same-origin'],
      [
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/143.0.0.0 Safari/537.36',
        'noopener-allow-popups',
      ],
    ] as const) {
      const { headers } = await browser.visit(`${app.url}/`, {
        headers: { ...NAVIGATION, 'user-agent': agent },
      })
      t.equal(headers['cross-origin-opener-policy'], policy)
    }
  },
)

t.test('the page has an address with a slash, since its links begin there', async (t) => {
  const { url } = await startApp(t, { settings: LOGIN })
  const answer = await new FakeBrowser().visit(url, { redirects: 0 })
  t.equal(answer.status, 308)
  t.equal(answer.headers.location, '/services/rexec/')
})

t.test('each load of the page gets what proves it, for this session', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const [one, two] = [await logIn(app), await logIn(app)]
  t.equal(xsrfIn((await one.browser.visit(`${app.url}/`)).body), one.xsrf)
  t.not(one.xsrf, two.xsrf)
})

t.test('the page goes to no script and into no frame of this host', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser, xsrf } = await logIn(app)
  const attempts = {
    'fetch()': { ...SCRIPT, accept: 'text/html' },
    'fetch() without CORS': { ...SCRIPT, 'sec-fetch-mode': 'no-cors', accept: 'text/html' },
    'an iframe': { ...NAVIGATION, 'sec-fetch-dest': 'iframe', 'sec-fetch-site': 'same-origin' },
    'a frame': { ...NAVIGATION, 'sec-fetch-dest': 'frame' },
    'an object': { ...NAVIGATION, 'sec-fetch-dest': 'object' },
    'an embed': { ...NAVIGATION, 'sec-fetch-dest': 'embed' },
    'a script element': { accept: '*/*', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
    'a service worker': { ...NAVIGATION, 'sec-fetch-dest': 'empty' },
    "a service worker's preload": { ...NAVIGATION, 'service-worker-navigation-preload': 'true' },
    'a preload without a value': { ...NAVIGATION, 'service-worker-navigation-preload': '' },
  }
  for (const [what, headers] of Object.entries(attempts)) {
    const answer = await browser.visit(`${app.url}/`, { headers })
    t.notMatch(answer.body, xsrf, what)
    t.notMatch(answer.body, 'xsrf"', what)
  }
  const framed = await browser.visit(`${app.url}/`, { headers: attempts['an iframe'] })
  t.equal(framed.status, 403)
  t.match(framed.body, 'opens in a window of its own only')
  t.match(framed.headers['content-security-policy'], "frame-ancestors 'none'")
})

t.test(
  'the page is given only to a browser that we have just sent there, in this very session',
  async (t) => {
    const app = await startApp(t, { settings: LOGIN })
    const { browser, cookie, xsrf } = await logIn(app)
    const sent = await browser.visit(`${app.url}/`, { redirects: 0 })
    t.equal(sent.status, 302)
    t.notOk(sent.headers['cross-origin-opener-policy'], 'another policy than that of the page')
    const pass = /^\/services\/rexec\/\?pass=([\w.-]+)$/.exec(`${sent.headers.location}`)![1]!
    t.match((await browser.visit(`${app.url}/?pass=${pass}`, { redirects: 0 })).body, xsrf)
    const { browser: other } = await logIn(app)
    const ofOther = `${(await other.visit(`${app.url}/`, { redirects: 0 })).headers.location}`.split('=')[1]!
    for (const wrong of ['', 'x', ofOther, cookie.split('=')[1]!, `${pass}x`]) {
      const answer = await browser.visit(`${app.url}/?pass=${wrong}`, { redirects: 0 })
      t.match([answer.status, answer.headers.location], [302, '?pass='], wrong.slice(0, 20))
      t.notMatch(answer.body, xsrf)
    }
  },
)

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
    t.equal(answer.status, 302)
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
    t.equal(answer.headers.get('cross-origin-resource-policy'), 'same-origin')
    const etag = answer.headers.get('etag')!
    const again = await fetch(`${url}/page/${name}`, { headers: { 'if-none-match': etag } })
    t.equal(again.status, 304)
    t.equal(await again.text(), '')
  }
  for (const name of ['index.html', 'message.ts', 'tsconfig.json', '', '..%2fapp.ts']) {
    t.equal((await fetch(`${url}/page/${name}`)).status, 404, name)
  }
})

t.test('the page takes only the very styles and scripts that were there when it was made', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { browser } = await logIn(app)
  const { body } = await browser.visit(`${app.url}/`)
  const scripts: string[] = []
  for (const [, name, hash] of body.matchAll(/"page\/([\w-]+\.(?:css|js))" integrity="sha256-([^"]+)"/g)) {
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
