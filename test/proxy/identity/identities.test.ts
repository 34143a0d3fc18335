import t, { type Test } from 'tap'
import { SettingsError } from '../../../common/settings.ts'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { startFakeIdentityApi } from '../../support/fake-identity-api.ts'
import { identities } from '../../support/identities.ts'

const ALICE = { users: [{ name: 'alice', token: 'alices-token' }] }

/** Identities that ask a service alone. */
async function asking(t: Test, reply: Parameters<typeof startFakeIdentityApi>[0], settings: object = {}) {
  const api = await startFakeIdentityApi(reply)
  t.teardown(() => api.close())
  const identityApi = { url: api.url, method: 'get', timeoutMilliseconds: 30_000 }
  return { api, ...identities({ authenticators: ['identity-api'], identityApi, ...settings }) }
}

t.test('every authenticator needs its section', async (t) => {
  t.throws(() => identities({ authenticators: ['static'] }), SettingsError)
  t.throws(() => identities({ authenticators: ['identity-api'], static: ALICE }), SettingsError)
  t.throws(() => identities({ authenticators: [] }), SettingsError)
  t.throws(() => identities({}), SettingsError, 'who proves tokens is never guessed')
})

t.test('the first authenticator that proves a token decides', async (t) => {
  const api = await startFakeIdentityApi(({ authorization }) =>
    authorization === 'Bearer bobs-token' ? { sub: 'bob' } : { error: 'unknown' },
  )
  t.teardown(() => api.close())
  const both = { identityApi: { url: api.url }, static: ALICE }
  const { identities: made, metric } = identities({ authenticators: ['static', 'identity-api'], ...both })
  t.match(await made.authenticate('alices-token'), { name: 'alice', authenticator: 'static' })
  t.same(api.asked, [], 'the second is not asked when the first knows')
  t.match(await made.authenticate('bobs-token'), { name: 'bob', authenticator: 'identity-api' })
  await t.rejects(made.authenticate('nobodys-token'), { code: 'token_invalid', status: 401 })
  const checks = (authenticator: string, outcome: string) =>
    metric('rexec_identity_checks_total', { authenticator, outcome })
  t.equal(await checks('static', 'proven'), 1)
  t.equal(await checks('static', 'unknown'), 2)
  t.equal(await checks('identity-api', 'proven'), 1)
  t.equal(await checks('identity-api', 'unknown'), 1)
})

t.test('when one cannot tell and no other proves, nobody knows: 503 and never 401', async (t) => {
  const api = await startFakeIdentityApi(() => 500)
  t.teardown(() => api.close())
  const both = { identityApi: { url: api.url }, static: ALICE }
  for (const authenticators of [
    ['static', 'identity-api'],
    ['identity-api', 'static'],
  ]) {
    const { identities: made, metric, log } = identities({ authenticators, ...both })
    t.match(await made.authenticate('alices-token'), { name: 'alice' }, 'another one may still prove')
    await t.rejects(made.authenticate('bobs-token'), { code: 'identity_unavailable', retryAfter: 3 })
    t.ok(
      await metric('rexec_identity_checks_total', { authenticator: 'identity-api', outcome: 'unavailable' }),
    )
    t.match(log.lines.at(-1), { authenticator: 'identity-api', reason: 'status 500' })
    t.notMatch(log.text(), /bobs-token|alices-token/)
  }
})

t.test('a failure is not remembered', async (t) => {
  let status: number | object = 503
  const { identities: made, api } = await asking(t, () => status)
  await t.rejects(made.authenticate('token'), { code: 'identity_unavailable' })
  status = { sub: 'alice' }
  t.match(await made.authenticate('token'), { name: 'alice' })
  t.equal(api.asked.length, 2)
})

t.test('a proven token is remembered for its time', async (t) => {
  const {
    identities: made,
    api,
    clock,
    metric,
  } = await asking(t, () => ({ sub: 'alice' }), { cacheSeconds: 30 })
  await made.authenticate('token')
  clock.milliseconds = 29_999
  await made.authenticate('token')
  t.equal(api.asked.length, 1)
  clock.milliseconds = 30_000
  await made.authenticate('token')
  t.equal(api.asked.length, 2)
  t.equal(await metric('rexec_identity_cache_total', { result: 'proven' }), 1)
  t.equal(await metric('rexec_identity_cache_total', { result: 'missed' }), 2)
})

t.test('a refused token is remembered for a shorter time, even for a fresh check', async (t) => {
  let answer: unknown = 401
  const { identities: made, api, clock } = await asking(t, () => answer)
  await t.rejects(made.authenticate('token'), { code: 'token_invalid' })
  answer = { sub: 'alice' }
  await t.rejects(made.authenticate('token', { fresh: true }), { code: 'token_invalid' })
  t.equal(api.asked.length, 1)
  clock.milliseconds = 5000
  t.match(await made.authenticate('token'), { name: 'alice' })
})

t.test('a fresh check asks again, and its answer replaces what was remembered', async (t) => {
  let answer: unknown = { sub: 'alice', groups: ['a'] }
  const { identities: made, api } = await asking(t, () => answer)
  await made.authenticate('token')
  answer = { sub: 'alice', groups: ['b'] }
  t.match(await made.authenticate('token', { fresh: true }), { groups: ['b'] })
  t.match(await made.authenticate('token'), { groups: ['b'] })
  t.equal(api.asked.length, 2)
  answer = 401
  await t.rejects(made.authenticate('token', { fresh: true }), { code: 'token_invalid' })
  await t.rejects(
    made.authenticate('token'),
    { code: 'token_invalid' },
    'a revoked token is forgotten at once',
  )
})

t.test('requests with one token share one check', async (t) => {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>()
  const { promise: answer, resolve: reply } = Promise.withResolvers<object>()
  const {
    identities: made,
    api,
    metric,
  } = await asking(t, () => {
    ask()
    return answer
  })
  const all = [
    made.authenticate('token'),
    made.authenticate('token'),
    made.authenticate('token', { fresh: true }),
  ]
  await asked
  all.push(made.authenticate('token'))
  reply({ sub: 'alice' })
  for (const user of await Promise.all(all)) t.match(user, { name: 'alice' })
  t.equal(api.asked.length, 1)
  t.equal(await metric('rexec_identity_cache_total', { result: 'joined' }), 3)
})

t.test('requests that share a failed check all fail, and the next one asks again', async (t) => {
  let status = 500
  const { identities: made, api } = await asking(t, () => status)
  for (const result of await Promise.allSettled([made.authenticate('token'), made.authenticate('token')])) {
    t.match(result, { status: 'rejected', reason: { code: 'identity_unavailable' } })
  }
  t.equal(api.asked.length, 1)
  status = 401
  await t.rejects(made.authenticate('token'), { code: 'token_invalid' })
})

t.test('the slow check of one token does not hold up another, up to a limit', async (t) => {
  const { promise: answer, resolve: reply } = Promise.withResolvers<object>()
  const { identities: made } = await asking(
    t,
    ({ authorization }) => (authorization === 'Bearer slow' ? answer : { sub: 'bob' }),
    { maxChecks: 2 },
  )
  const slow = made.authenticate('slow')
  t.match(await made.authenticate('quick'), { name: 'bob' })
  const second = made.authenticate('second')
  await t.rejects(made.authenticate('third'), { code: 'identity_unavailable', detail: /Too many/ })
  reply({ sub: 'alice' })
  t.match(await Promise.all([slow, second]), [{ name: 'alice' }, { name: 'bob' }])
})

t.test('the memory is bounded, and refused tokens do not push proven ones out', async (t) => {
  const { identities: made, api } = await asking(
    t,
    ({ authorization }) => (authorization === 'Bearer good' ? { sub: 'alice' } : 401),
    { cacheEntries: 3 },
  )
  await made.authenticate('good')
  for (let i = 0; i < 10; i++) await t.rejects(made.authenticate(`guess-${i}`))
  const before = api.asked.length
  await made.authenticate('good')
  t.equal(api.asked.length, before, 'still remembered')
  await t.rejects(made.authenticate('guess-0'))
  t.equal(api.asked.length, before + 1, 'the oldest guess was forgotten')
})

t.test('a token with another cookie is another question', async (t) => {
  const { identities: made, api } = await asking(t, () => ({ sub: 'alice' }))
  await made.authenticate('token')
  await made.authenticate('token', { cookie: 'a=b' })
  await made.authenticate('token', { cookie: 'a=b' })
  t.equal(api.asked.length, 2)
})

t.test('what cannot be a token, and tokens of our own, are sent nowhere', async (t) => {
  const { identities: made, api } = await asking(t, () => ({ sub: 'alice' }))
  const signer = await createSigner(await generateSigningKey())
  const { token } = await signer.sign('exec', { user: 'alice' }, 60)
  await t.rejects(made.authenticate(token), { code: 'token_wrong_kind' })
  await t.rejects(made.authenticate(''), { code: 'token_missing' })
  await t.rejects(made.authenticate('a\r\nx: y'), { code: 'token_invalid' })
  await t.rejects(made.authenticate('x'.repeat(8193)), { code: 'token_invalid' })
  t.same(api.asked, [])
})

t.test('names are compared exactly', async (t) => {
  const { identities: made } = await asking(t, ({ authorization }) => ({ sub: authorization!.slice(7) }))
  t.match(await made.authenticate('Alice'), { name: 'Alice' })
  t.match(await made.authenticate('alice'), { name: 'alice' })
})

t.test('ready means that somebody could be proven', async (t) => {
  const api = await startFakeIdentityApi(() => 500)
  t.teardown(() => api.close())
  const identityApi = { url: api.url }
  await t.rejects(identities({ authenticators: ['identity-api'], identityApi }).identities.check(), {
    code: 'identity_unavailable',
  })
  await identities({
    authenticators: ['identity-api', 'static'],
    identityApi,
    static: ALICE,
  }).identities.check()
})

t.test('a user is unknown only if every authenticator can tell and says so', async (t) => {
  const alone = identities({ authenticators: ['static'], static: ALICE }).identities
  t.equal(await alone.knows('alice'), true)
  t.equal(await alone.knows('bob'), false)
  const identityApi = { url: 'https://idp.example.org/' }
  const both = identities({
    authenticators: ['static', 'identity-api'],
    static: ALICE,
    identityApi,
  }).identities
  t.equal(await both.knows('alice'), true)
  t.equal(await both.knows('bob'), undefined, 'the identity service may know bob')
})

t.test('tokens of Kubernetes need an API server to ask', async (t) => {
  t.throws(() => identities({ authenticators: ['kubernetes'] }), {
    name: 'SettingsError',
    message: /kubernetes needs cluster\.kind: kubernetes/,
  })
})
