import t, { type Test } from 'tap'
import { FakeBrowser, NAVIGATION, SANDBOXED } from '../support/fake-browser.ts'
import { freePort } from '../support/free-port.ts'
import { givenIn, openPage } from '../support/session.ts'
import { startApp } from '../support/test-app.ts'
import { HUB_VERSIONS, hubMissing, startHub } from './hub.ts'
import { logIn } from './log-in.ts'

/** A hub and rexec behind its proxy. */
async function start(t: Test, version: string, baseUrl = '/') {
  const port = await freePort()
  const hub = await startHub(t, { version, baseUrl, serviceUrl: `http://127.0.0.1:${port}` })
  const app = await startApp(t, {
    port,
    settings: {
      prefix: `${baseUrl}services/rexec`,
      identity: {
        authenticators: ['jupyterhub'],
        jupyterhub: { apiUrl: hub.apiUrl, apiToken: hub.serviceToken },
        cacheSeconds: 0,
        refusedCacheSeconds: 0,
      },
    },
  })
  return { hub, app, url: `${hub.url}services/rexec` }
}

for (const version of HUB_VERSIONS) {
  const skip = (await hubMissing(version)) ?? false
  t.test(`JupyterHub ${version}: a login, and what ends it`, { skip }, async (t) => {
    const { hub, app, url } = await start(t, version, version === HUB_VERSIONS[0] ? '/' : '/hub-a/')
    const browser = new FakeBrowser()
    /** The API as our page asks it. */
    const ask = async (path: string, { authorization }: { authorization: string }) =>
      browser.visit(url + path, { headers: { ...SANDBOXED, authorization } })
    const open = async () => givenIn((await openPage(browser, `${url}/`)).body)

    const form = await browser.visit(`${url}/`)
    t.match(form.url, '/hub/login?next=')
    const page = await logIn(hub, browser, 'alice', form)
    t.equal(page.url, `${url}/`, 'back on our page')
    t.equal(page.status, 200)
    const user = await ask('/api/v1/user', await open())
    t.match(JSON.parse(user.body), { name: 'alice', authenticator: 'jupyterhub' })
    t.same(
      browser.cookies.filter(({ name }) => name.startsWith('rexec')).map(({ name, path }) => [name, path]),
      [['rexec-session', `${new URL(url).pathname}/`]],
    )

    const callback = browser.visited.find((visited) => visited.includes('/oauth_callback?'))!
    const code = new URL(callback).searchParams.get('code')!
    const log = `${JSON.stringify(app.log)}`
    t.notMatch(log, code)
    t.notMatch(log, browser.cookie('rexec-session')!.value)

    await t.test('the same code again, in a login of its own', async (t) => {
      const again = new FakeBrowser()
      const begun = await again.visit(`${url}/login`, { redirects: 0 })
      const state = new URL(`${begun.headers.location}`, url).searchParams.get('state')
      const answer = await again.visit(`${url}/oauth_callback?code=${code}&state=${state}`)
      t.equal(answer.status, 400)
      t.match(answer.body, 'The hub did not accept its own answer.')
      t.notOk(again.cookie('rexec-session'))
    })

    await t.test('a second time without a password', async (t) => {
      browser.cookies.splice(
        browser.cookies.findIndex(({ name }) => name === 'rexec-session'),
        1,
      )
      t.equal((await browser.visit(`${url}/login?next=${new URL(url).pathname}/docs`)).url, `${url}/docs`)
      t.ok(browser.cookie('rexec-session'))
    })

    await t.test("another's login, by a page of the same host", async (t) => {
      const carol = new FakeBrowser()
      await logIn(hub, carol, 'carol', await carol.visit(`${url}/`))
      const stolen = carol.cookie('rexec-session')!
      const begun = await carol.visit(`${url}/login`, { redirects: 0 })
      const begin = carol.cookies.find(({ name }) => name.startsWith('rexec-login-'))!
      const way = new URL(`${begun.headers.location}`, url).href
      const granted = await carol.visit(way, { redirects: 0 })
      const own = browser.cookie('rexec-session')!.value

      browser.toss(begin.name, begin.value, begin.path)
      const callback = await browser.visit(new URL(`${granted.headers.location}`, url).href)
      t.match(
        [callback.status, callback.body],
        [401, 'token_invalid'],
        'that she has begun and this one ends',
      )
      t.equal(browser.cookie('rexec-session')!.value, own)

      browser.toss(stolen.name, stolen.value, stolen.path)
      t.match(JSON.parse((await ask('/api/v1/user', await open())).body), { name: 'alice' }, 'her session')

      // A server that alice has visited was sent her cookie.
      const theirs = carol.cookie('jupyterhub-session-id')!
      carol.toss(theirs.name, browser.cookie('jupyterhub-session-id')!.value, theirs.path)
      const forged = await carol.visit(`${url}/login`, { redirects: 0 })
      const forgery = carol.cookies.find(
        ({ name }) => name.startsWith('rexec-login-') && name !== begin.name,
      )!
      const grant = await carol.visit(new URL(`${forged.headers.location}`, url).href, { redirects: 0 })
      browser.toss(forgery.name, forgery.value, forgery.path)
      const beside = await browser.visit(new URL(`${grant.headers.location}`, url).href)
      t.match(
        [beside.status, beside.body],
        [400, 'Somebody else is logged in here'],
        'of the same login at the hub',
      )
      carol.toss(theirs.name, theirs.value, theirs.path)

      const { value } = carol.cookie('jupyterhub-session-id')!
      browser.toss('jupyterhub-session-id', value, stolen.path)
      browser.toss(stolen.name, stolen.value, stolen.path)
      t.match(
        (await browser.visit(`${url}/`)).body,
        'two cookies called jupyterhub-session-id',
        'and her login at the hub',
      )
      browser.cookies.splice(
        browser.cookies.findIndex((cookie) => cookie.value === value),
        1,
      )
      await browser.visit(`${url}/login`)
    })

    await t.test('a hub that is away ends nothing', async (t) => {
      const given = await open()
      await hub.stop()
      const away = await ask('/api/v1/user', given)
      t.equal(away.status, 503)
      t.match(JSON.parse(away.body), { code: 'identity_unavailable' })
      const page = await browser.visit(`${url}/`)
      t.equal(page.status, 503)
      t.match(page.body, 'Nothing is wrong with your token')
      await hub.start()
      t.equal((await ask('/api/v1/user', given)).status, 200)
    })

    await t.test('a logout at the hub', async (t) => {
      const given = await open()
      const session = browser.cookie('rexec-session')!
      const { headers } = await browser.visit(`${url}/logout`, {
        method: 'POST',
        form: { shown: given.logout },
        headers: { ...NAVIGATION, origin: 'null' },
      })
      t.notOk(browser.cookie('rexec-session'))
      const [, next] = /^0; url=(.+)$/.exec(`${headers.refresh}`)!
      await browser.visit(new URL(next!, url).href)
      browser.toss(session.name, session.value, session.path)
      t.equal((await ask('/api/v1/user', given)).status, 401, 'the token has ended with it')
      t.match((await browser.visit(`${url}/`)).url, '/hub/login?next=', 'and a kept cookie opens nothing')
    })

    await t.test('who lacks the scope gets no further than the hub', async (t) => {
      const bob = new FakeBrowser()
      const page = await logIn(hub, bob, 'bob', await bob.visit(`${url}/`))
      t.equal(page.status, 403)
      t.match(page.url, '/hub/api/oauth2/authorize')
      t.notOk(bob.cookie('rexec-session'))
    })
  })
}
