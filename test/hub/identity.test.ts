import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FakeBrowser } from '../support/fake-browser.ts'
import { identities } from '../support/identities.ts'
import { sendRaw } from '../support/raw-http.ts'
import { HUB_VERSIONS, type Hub, hubMissing } from './hub.ts'
import { tokenOfLogin } from './log-in.ts'
import { type HubService, identityOf, startHubService } from './service.ts'

const missing = await Promise.all(HUB_VERSIONS.map(hubMissing))
const skip = missing.find((reason) => reason !== undefined) ?? false
const PART = 'token-of-the-service-part-0123456789'
const NONE = 'token-of-the-service-none-0123456789'
const PART_CALLBACK = 'http://part.example.org/callback'
/** Two other services: one sees a part of the users and has people log in, one sees none. Users come in pages of two. */
const config = `
c.JupyterHub.api_page_max_limit = 2
c.JupyterHub.services.append({"name": "none", "api_token": "${NONE}"})
c.JupyterHub.services.append({
    "name": "part", "api_token": "${PART}", "oauth_redirect_uri": "${PART_CALLBACK}", "oauth_no_confirm": True,
})
c.JupyterHub.load_roles.append(
    {"name": "part", "scopes": ["list:users!group=rexec-users"], "services": ["part"]},
)
`
const USER = '/api/v1/user'

t.test('tokens of real hubs', { skip }, async (t) => {
  const [newest, older] = (await Promise.all(
    HUB_VERSIONS.map((version) => startHubService(t, { version, baseUrl: '/hub-a/', config })),
  )) as [HubService, HubService]
  await t.test(`JupyterHub ${newest.hub.version}`, (t) => onHub(t, newest, older.hub))
  await t.test(`JupyterHub ${older.hub.version}`, (t) => onHub(t, older, newest.hub))
})

async function onHub(t: Test, { hub, app, call }: HubService, otherHub: Hub): Promise<void> {
  const alice = await hub.token('alice')
  const untilRefused = async (token: string) => {
    const headers = { authorization: `token ${token}` }
    while ((await fetch(`${hub.apiUrl}/user`, { headers })).ok) await sleep(100)
  }
  const member = (name: string, method: 'POST' | 'DELETE') =>
    hub.admin('/groups/rexec-users/users', { method, json: { users: [name] } })

  await t.test('who has the scope is who the hub says, and nobody else may', async (t) => {
    t.match(await call(USER, alice), { status: 200, body: { name: 'alice', groups: ['rexec-users'] } })
    const bob = await hub.token('bob')
    t.match(await call(USER, bob), { status: 403, body: { code: 'scope_missing' } })
    t.match(await call(USER, await hub.token('admin')), { status: 200 }, 'access:services, for all services')
    await member('bob', 'POST')
    t.match(await call(USER, bob), { status: 200, body: { name: 'bob' } }, 'by a role of a group alone')
    await member('bob', 'DELETE')
    t.match(await call(USER, bob), { status: 403, body: { code: 'scope_missing' } })
  })

  await t.test(
    "the log has the address that the hub's proxy has heard from, whatever the caller claims",
    async (t) => {
      const headers = { authorization: `Bearer ${alice}`, 'x-forwarded-for': '192.0.2.66' }
      await (await fetch(`${hub.url}services/rexec${USER}`, { headers })).text()
      t.equal(app.log.findLast(({ msg }) => msg === 'request')?.ip, '127.0.0.1')
    },
  )

  await t.test('a token may be made for this service alone, or for other things', async (t) => {
    const narrow = await hub.token('alice', { scopes: ['access:services!service=rexec'] })
    t.match(await call(USER, narrow), { status: 200, body: { name: 'alice' } })
    const other = await hub.token('alice', { scopes: ['read:users!user=alice'] })
    t.match(await call(USER, other), { status: 403, body: { code: 'scope_missing' } })
  })

  await t.test('expired, revoked, foreign and invented tokens are not known', async (t) => {
    const refused = { status: 401, body: { code: 'token_invalid' } }
    const expiring = await hub.token('alice', { expiresIn: 1 })
    await untilRefused(expiring)
    t.match(await call(USER, expiring), refused, 'expired')
    const made = { method: 'POST', json: { note: 'to be revoked' } }
    const { token, id } = await hub.admin<{ token: string; id: string }>('/users/alice/tokens', made)
    t.match(await call(USER, token), { status: 200 })
    await hub.admin(`/users/alice/tokens/${id}`, { method: 'DELETE' })
    t.match(await call(USER, token), refused, 'revoked')
    t.match(await call(USER, await otherHub.token('alice')), refused, "another hub's alice")
    for (const invented of ['0'.repeat(64), 'x', `${alice}0`, alice.slice(0, -1), alice.toUpperCase()])
      t.match(await call(USER, invented), refused, 'invented')
  })

  await t.test('services are nobody, our own included', async (t) => {
    for (const token of [hub.serviceToken, PART, NONE])
      t.match(await call(USER, token), { status: 401, body: { code: 'token_wrong_kind' } })
  })

  await t.test('what a login at another service has brought is of no use here', async (t) => {
    const part = { name: 'part', secret: PART, callback: PART_CALLBACK }
    const token = await tokenOfLogin(hub, new FakeBrowser(), 'admin', part)
    t.match(await call(USER, token), { status: 403, body: { code: 'scope_missing' } }, 'although admin may')
  })

  await t.test("a notebook's token is its user's, until its server ends", async (t) => {
    const server = await hub.spawn('alice')
    t.match(await call(USER, server.token), { status: 200, body: { name: 'alice', groups: ['rexec-users'] } })
    const bobs = await hub.spawn('bob')
    t.match(
      await call(USER, bobs.token),
      { status: 403, body: { code: 'scope_missing' } },
      'the role of servers gives nothing that their user does not have',
    )
    const start = { method: 'POST', json: { python: '3.12', name: 'of-notebook' } }
    t.match(await call('/api/v1/servers', server.token, start), { status: 201, body: {} })
    t.ok(app.cluster.calls.includes('start alice/of-notebook'))
    await hub.admin('/users/alice/server', { method: 'DELETE' })
    await untilRefused(server.token)
    t.match(await call(USER, server.token), { status: 401, body: { code: 'token_invalid' } })
    t.match(await call('/api/v1/servers', alice), {
      status: 200,
      body: { servers: [{ name: 'of-notebook' }] },
    })
  })

  await t.test("no path leads past the prefix, whatever the hub's proxy makes of it", async (t) => {
    const base = '/hub-a/services/rexec'
    const paths = [
      `${base}/../x`,
      `${base}/../../hub${USER}`,
      `/${base}${USER}`,
      `${base}/${USER}`,
      `${base}%2Fapi/v1/user`,
      `/hub-a/services%2Frexec${USER}`,
      `/hub-a/services/REXEC${USER}`,
      `${base};x${USER}`,
      `${base}x${USER}`,
      `${base}${USER}%00`,
      `/services/rexec${USER}`,
    ]
    for (const path of paths) {
      const head = `GET ${path} HTTP/1.1\r\nHost: hub.example.org\r\nAuthorization: Bearer ${alice}\r\n`
      const answer = await sendRaw(hub.url, `${head}Connection: close\r\n\r\n`)
      t.match(answer, /^HTTP\/1\.1 (30[12]|404) /, path)
      t.notMatch(answer, /"name":"alice"/, path)
    }
  })

  await t.test("https stays https behind a proxy that ends TLS before the hub's", async (t) => {
    const address = async (headers: Record<string, string>) => {
      const answer = await fetch(`${hub.url}services/rexec/broker-config`, {
        headers: { authorization: `Bearer ${alice}`, ...headers },
      })
      return ((await answer.json()) as { api_url: string }).api_url
    }
    t.equal(await address({}), `${hub.url}services/rexec/spawn`)
    t.equal(
      await address({ 'x-forwarded-proto': 'https' }),
      `${hub.url.replace('http', 'https')}services/rexec/spawn`,
    )
  })

  await t.test('names that the hub lets through are taken exactly, or refused', async (t) => {
    const taken = [
      'with space',
      'ünï-日本語-😀',
      'e\u0301',
      'a@b.example+c_d-e',
      '%',
      '100%25',
      '%2e%2e',
      'a%2fb',
      '"q"; <b>\'',
      'a\\b?c#d&e=f',
      'system:serviceaccount:kube-system:default',
      '-',
      'null',
      'x'.repeat(255),
    ]
    const refused = ['a\u200bb', 'a\u202eb', 'a\nb', 'a\u0000b', 'x'.repeat(256)]
    const { identities: made } = identities(identityOf(hub))
    for (const name of [...taken, ...refused]) {
      const path = `/users/${encodeURIComponent(name)}`
      // Newer hubs take less than older ones.
      const there = await hub.admin(path, { method: 'POST' }).then(
        () => true,
        () => false,
      )
      if (!there) {
        t.comment(`the hub itself refuses ${JSON.stringify(name)}`)
        continue
      }
      await member(name, 'POST')
      const token = await hub.token(name)
      if (refused.includes(name)) {
        t.match(await call(USER, token), { status: 403, body: { code: 'not_allowed' } }, JSON.stringify(name))
      } else {
        t.match(await call(USER, token), { status: 200, body: { name } }, name)
        await call('/api/v1/servers', token, { method: 'POST', json: { python: '3.12' } })
        t.ok(app.cluster.calls.includes(`start ${name}/default`), `a server of ${name}`)
      }
      t.equal(await made.knows(name, { fresh: true }), true)
      await hub.admin(path, { method: 'DELETE' })
      t.equal(await made.knows(name, { fresh: true }), false)
    }
  })

  await t.test('who is deleted while a server runs is gone, and is back when made again', async (t) => {
    await hub.admin('/users/dave', { method: 'POST' })
    await member('dave', 'POST')
    const token = await hub.token('dave')
    const notebook = await hub.spawn('dave')
    const start = { method: 'POST', json: { python: '3.12' } }
    t.match(await call('/api/v1/servers', notebook.token, start), { status: 201 })
    const { identities: made, clock, log } = identities(identityOf(hub))
    for (const name of ['dave', 'alice', 'bob', 'carol', 'admin']) t.equal(await made.knows(name), true)
    t.equal((await hub.admin<unknown[]>('/users?limit=200')).length, 2, 'they came in pages of two')
    await hub.admin('/users/dave', { method: 'DELETE' })
    for (const shown of [token, notebook.token]) t.match(await call(USER, shown), { status: 401 })
    t.equal(await made.knows('dave'), true, 'from the last page of the list, until it is read again')
    clock.milliseconds += 1
    t.equal(await made.knows('dave', { fresh: true }), false)
    t.equal(await made.knows('alice', { fresh: true }), true)
    await hub.admin('/users/dave', { method: 'POST' })
    t.equal(await made.knows('dave', { fresh: true }), true)
    t.match(await call(USER, token), { status: 401 }, 'the old token does not come alive with the name')
    t.same(log.lines, [])
  })

  await t.test('a service that may not see all users takes nobody for gone', async (t) => {
    for (const apiToken of [PART, NONE, 'revoked-0123456789', undefined]) {
      const jupyterhub = { apiUrl: hub.apiUrl, ...(apiToken && { apiToken }) }
      const { identities: made, log } = identities(identityOf(hub, { jupyterhub }))
      for (const name of ['alice', 'bob', 'nobody']) t.equal(await made.knows(name), undefined)
      t.equal(await made.knows('nobody', { fresh: true }), undefined)
      t.match(log.lines, [{ level: 'warn', msg: 'Vanished users are not noticed.' }])
      t.equal(log.lines.length, 1)
    }
  })

  await t.test('ready is checked with the own token, and says what is wrong with it', async (t) => {
    t.match(await call('/readyz', alice), { status: 200, body: { checks: { identity: 'ok' } } })
    for (const [apiToken, reason] of [
      [hub.serviceToken, undefined],
      [PART, /not that of the service rexec/],
      ['revoked-0123456789', /does not know it/],
    ] as const) {
      const { identities: made, log } = identities(
        identityOf(hub, { jupyterhub: { apiUrl: hub.apiUrl, apiToken } }),
      )
      await made.check()
      t.match(log.lines, reason ? [{ level: 'error', reason }] : [])
    }
    const elsewhere = { apiUrl: new URL('/hub/api', hub.apiUrl).href.replace('/hub-a', '') }
    const { identities: made } = identities(identityOf(hub, { jupyterhub: elsewhere }))
    await t.rejects(made.check(), { code: 'identity_unavailable' }, 'without the base_url')
    await t.rejects(
      made.authenticate(alice),
      { code: 'identity_unavailable' },
      'which is no word on the token',
    )
  })

  await t.test(
    'what is remembered: one question at a time, and a fresh one before anything is made',
    async (t) => {
      const {
        identities: made,
        clock,
        metric,
      } = identities(identityOf(hub, { cacheSeconds: 45, refusedCacheSeconds: 5 }))
      const asked = (outcome: string) =>
        metric('rexec_identity_checks_total', { authenticator: 'jupyterhub', outcome })
      const all = await Promise.all([alice, alice, alice].map((token) => made.authenticate(token)))
      t.ok(all.every(({ name }) => name === 'alice'))
      t.equal(await asked('proven'), 1, 'three requests, one question')
      const { token, id } = await hub.admin<{ token: string; id: string }>('/users/alice/tokens', {
        method: 'POST',
      })
      await made.authenticate(token)
      await hub.admin(`/users/alice/tokens/${id}`, { method: 'DELETE' })
      t.match(await made.authenticate(token), { name: 'alice' }, 'believed for cacheSeconds')
      await t.rejects(made.authenticate(token, { fresh: true }), { code: 'token_invalid' })
      await t.rejects(made.authenticate(token), { code: 'token_invalid' }, 'and from then on for nothing')
      await t.rejects(made.authenticate(await hub.token('bob')), { code: 'scope_missing' })
      clock.milliseconds += 5000
      t.equal(await asked('refused'), 1)
    },
  )

  await t.test(
    "a browser's logout at the hub counts at once, although its token is remembered",
    async (t) => {
      const browser = new FakeBrowser()
      const callback = '/hub-a/services/rexec/oauth_callback'
      const service = { name: 'rexec', secret: hub.serviceToken, callback }
      const token = await tokenOfLogin(hub, browser, 'alice', service)
      const { identities: made } = identities(identityOf(hub, { cacheSeconds: 45 }))
      const cookie = browser.cookie('jupyterhub-session-id')!.value
      t.match(await made.authenticate(token, { cookie }), { name: 'alice' })
      await browser.visit(`${hub.url}hub/logout`)
      t.notOk(browser.cookie('jupyterhub-session-id'), 'the browser has it no more')
      await t.rejects(made.authenticate(token), { code: 'token_invalid' })
      t.match(await made.authenticate(token, { cookie }), { name: 'alice' }, 'that is what the cookie is for')
    },
  )

  await t.test('a hub that is away makes nobody a stranger, and is well again by itself', async (t) => {
    const remembering = identities(identityOf(hub, { cacheSeconds: 45 }))
    await remembering.identities.authenticate(alice)
    await hub.stop()
    const away = { code: 'identity_unavailable', status: 503, retryAfter: 3 }
    for (const token of [alice, 'x'.repeat(32)]) {
      const answer = await call(USER, token)
      t.match(answer, { status: 503, body: { code: 'identity_unavailable' } })
      t.match(answer.headers.get('retry-after'), /^\d+$/)
    }
    t.match(await call('/readyz', alice), {
      status: 503,
      body: { checks: { identity: 'identity_unavailable' } },
    })
    t.match(
      await remembering.identities.authenticate(alice),
      { name: 'alice' },
      'whoever is remembered works on',
    )
    await t.rejects(remembering.identities.authenticate(alice, { fresh: true }), away)
    t.match(
      await remembering.identities.authenticate(alice),
      { name: 'alice' },
      'a failure takes nothing away',
    )
    remembering.clock.milliseconds += 45_000
    await t.rejects(remembering.identities.authenticate(alice), away)
    t.equal(await remembering.identities.knows('nobody'), undefined)
    await hub.start()
    t.match(await call(USER, alice), { status: 200, body: { name: 'alice' } })
    t.match(await call('/readyz', alice), { status: 200 })
    remembering.clock.milliseconds += 10_000
    t.match(await remembering.identities.authenticate(alice), { name: 'alice' })
  })

  const log = JSON.stringify(app.log)
  t.notOk(
    [alice, hub.serviceToken, PART].some((token) => log.includes(token)),
    'no token is in the log',
  )
}
