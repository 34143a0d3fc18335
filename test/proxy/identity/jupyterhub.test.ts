import t, { type Test } from 'tap'
import { startFakeIdentityApi } from '../../support/fake-identity-api.ts'
import { identities } from '../../support/identities.ts'

/**
 * What no hub says, or none that is well; test/hub/identity.test.ts has what real ones say.
 */
type Reply = Parameters<typeof startFakeIdentityApi>[0]
const ALICE = { kind: 'user', name: 'alice', groups: ['lab'], scopes: ['access:services!service=rexec'] }

async function asking(t: Test, reply: Reply, settings: object = {}, others: object = {}) {
  const api = await startFakeIdentityApi(reply)
  t.teardown(() => api.close())
  const apiUrl = new URL('hub/api', api.url).href
  const jupyterhub = { apiUrl, timeoutMilliseconds: 30_000, ...settings }
  return { api, ...identities({ authenticators: ['jupyterhub'], jupyterhub, ...others }) }
}

t.test('the token is shown to the hub, and to nobody else', async (t) => {
  const { identities: made, api, log } = await asking(t, () => ALICE)
  t.same(await made.authenticate('alices-token'), {
    name: 'alice',
    groups: ['lab'],
    authenticator: 'jupyterhub',
  })
  t.match(api.asked, [{ method: 'GET', authorization: 'Bearer alices-token' }])
  t.notMatch(log.text(), /alices-token/)
})

t.test('an answer that is not that of a hub proves nothing and refuses nothing: 503', async (t) => {
  const answers: [string, Reply][] = [
    ['status 500', () => 500],
    ['status 502', () => 502],
    ['status 429', () => 429],
    ['status 404: another address', () => 404],
    ['status 204', () => 204],
    [
      'a redirect, such as to a login page',
      (_asked, response) => response.writeHead(302, { location: '/hub/login' }).end(),
    ],
    ['no JSON', (_asked, response) => response.end('<html>')],
    ['a list', () => [ALICE]],
    ['an answer that is too long', () => ({ ...ALICE, more: 'x'.repeat(2000) })],
    ['a connection that breaks', (_asked, response) => void response.destroy()],
    ['silence', () => undefined],
  ]
  for (const [title, reply] of answers) {
    const { identities: made, log } = await asking(t, reply, {
      maxAnswerBytes: 1024,
      timeoutMilliseconds: 200,
    })
    const refusal = { code: 'identity_unavailable', status: 503, retryAfter: 3 }
    await t.rejects(made.authenticate('alices-token'), refusal, title)
    t.notMatch(log.text(), /alices-token/)
  }
})

t.test("a browser's token of another login than the browser's own is not believed", async (t) => {
  let answer: object = { ...ALICE, session_id: 'of-alice' }
  const { identities: made } = await asking(t, () => answer)
  t.match(await made.authenticate('token', { cookie: 'of-alice' }), { name: 'alice' })
  t.match(await made.authenticate('token'), { name: 'alice' }, 'a program has no cookie')
  await t.rejects(made.authenticate('token', { cookie: 'of-bob' }), { code: 'token_invalid' })
  answer = { ...ALICE, session_id: null }
  t.match(await made.authenticate('a-token', { cookie: 'of-bob' }), { name: 'alice' }, 'not of a login')
})

t.test('without the exact scope a token is of no use here, whoever else might know it', async (t) => {
  const wrong = [
    [],
    undefined,
    'access:services',
    ['access:services!service=rexec2'],
    ['access:services!service=rex'],
    ['access:servers!user=alice'],
    ['read:services!service=rexec'],
    ['access:services!service'],
    ['ACCESS:SERVICES'],
    [['access:services']],
    { 0: 'access:services' },
  ]
  let scopes: unknown
  const users = [{ name: 'mallory', token: 'alices-token' }]
  const {
    identities: made,
    metric,
    clock,
    api,
  } = await asking(
    t,
    () => ({ ...ALICE, scopes }),
    {},
    { authenticators: ['jupyterhub', 'static'], static: { users } },
  )
  for (scopes of wrong) {
    clock.milliseconds += 5000
    const refusal = { code: 'scope_missing', status: 403, message: /access:services!service=rexec/ }
    await t.rejects(made.authenticate('alices-token'), refusal, JSON.stringify(scopes))
  }
  t.equal(
    await metric('rexec_identity_checks_total', { authenticator: 'jupyterhub', outcome: 'refused' }),
    wrong.length,
  )
  const before = api.asked.length
  scopes = ALICE.scopes
  await t.rejects(made.authenticate('alices-token', { fresh: true }), { code: 'scope_missing' })
  t.equal(api.asked.length, before, 'remembered for refusedCacheSeconds')
  clock.milliseconds += 5000
  t.match(await made.authenticate('alices-token'), { name: 'alice' }, 'the scope was given meanwhile')
})

t.test('the scope is that of the name that the hub has for this service', async (t) => {
  const { identities: made } = await asking(
    t,
    ({ authorization }) => ({
      ...ALICE,
      scopes: [authorization!.replace('Bearer ', 'access:services!service=')],
    }),
    { serviceName: 'gpu-jobs' },
  )
  t.match(await made.authenticate('gpu-jobs'), { name: 'alice' })
  await t.rejects(made.authenticate('rexec'), { code: 'scope_missing', message: /service=gpu-jobs/ })
})

t.test("tokens that are no user's are refused for good", async (t) => {
  for (const kind of ['service', 'User', '', undefined, null, ['user']]) {
    const { identities: made } = await asking(t, () => ({ ...ALICE, kind }))
    await t.rejects(made.authenticate('token'), { code: 'token_wrong_kind', status: 401 })
  }
})

t.test('names that cannot be told apart are refused, and nobody is given another name', async (t) => {
  const names = [
    '',
    ' ',
    'a\u202eb',
    'a\u200bb',
    'a\nb',
    '\ud800',
    'x'.repeat(256),
    5,
    null,
    undefined,
    ['alice'],
  ]
  for (const name of names) {
    const { identities: made } = await asking(t, () => ({ ...ALICE, name }))
    await t.rejects(made.authenticate('token'), { code: 'not_allowed', status: 403 }, JSON.stringify(name))
  }
})

t.test('groups are texts; whatever else is there is left out', async (t) => {
  for (const [groups, read] of [
    [
      ['a', 5, null, '/b/c'],
      ['a', '/b/c'],
    ],
    [undefined, []],
    ['admins', []],
    [{ 0: 'admins' }, []],
  ]) {
    const { identities: made } = await asking(t, () => ({ ...ALICE, groups }))
    t.same((await made.authenticate('token')).groups, read)
  }
})

t.test("ready is who gets an answer of a hub's API", async (t) => {
  const ok = await asking(t, () => ({ version: '6.1.1' }))
  await ok.identities.check()
  t.match(ok.api.asked, [{ authorization: undefined }], 'no token is needed for it')
  for (const reply of [() => 404, () => ({}), () => 502] as Reply[]) {
    const { identities: made } = await asking(t, reply)
    await t.rejects(made.check(), { code: 'identity_unavailable' })
  }
})

t.test('a token of our own that the hub does not take is said once, and stops nobody', async (t) => {
  let own: unknown = 403
  const { identities: made, log } = await asking(
    t,
    ({ authorization }) => (authorization ? own : { version: '6.1.1' }),
    { apiToken: 'own-token-0123456789' },
  )
  await made.check()
  await made.check()
  const said = log.lines.map(({ level, reason }) => ({ level, reason }))
  t.match(said, [{ level: 'error', reason: /does not know it/ }])
  t.equal(said.length, 1)
  own = { kind: 'service', name: 'rexec' }
  await made.check()
  t.equal(log.lines.length, 1)
  own = { kind: 'service', name: 'cull' }
  await made.check()
  t.match(log.lines.at(-1), { reason: /not that of the service rexec/ })
  t.notMatch(log.text(), /own-token/)
  own = 500
  await t.rejects(made.check(), { code: 'identity_unavailable' })
})

t.test('an address that could not be the API of a hub, or holds a secret, stops the start', async (t) => {
  for (const apiUrl of [
    'hub:8081/hub/api',
    'http://hub/hub/api/',
    'http://',
    'http://u:p@hub/hub/api',
    'http://hub/?x',
  ]) {
    t.throws(
      () => identities({ authenticators: ['jupyterhub'], jupyterhub: { apiUrl } }),
      { name: 'SettingsError' },
      apiUrl,
    )
  }
})
