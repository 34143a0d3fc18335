import t from 'tap'
import { createSigner, generateSigningKey } from '../../../../../common/tokens.ts'
import { ALICE, BOB, BROKER, startApp, type TestApp } from '../../../../support/test-app.ts'

const review = ({ fetch }: TestApp, token: unknown, credential: string | null = BROKER) =>
  fetch('/api/v1/token-reviews', { method: 'POST', token: credential, json: { token } })

t.test('a broker learns whose token it is and how the servers are', async (t) => {
  const service = await startApp(t)
  await service.fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'one' } })
  await service.fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'two' } })
  service.cluster.set('alice', 'two', 'failed', 'No such package.')
  const servers = [
    { name: 'one', phase: 'starting', message: 'Starting.' },
    { name: 'two', phase: 'failed', message: 'No such package.' },
  ]
  const own = await review(service, ALICE)
  t.equal(own.status, 200)
  t.same(await own.json(), { user: 'alice', servers })
  t.same(await (await review(service, BOB)).json(), { user: 'bob', servers: [] })

  const whole = await service.signer.sign('exec', { user: 'alice' }, 60)
  t.same(await (await review(service, whole.token)).json(), {
    user: 'alice',
    expiresAt: whole.expiresAt,
    servers,
  })
  const narrow = await service.signer.sign('exec', { user: 'alice', server: 'two' }, 60)
  t.same(await (await review(service, narrow.token)).json(), {
    user: 'alice',
    server: 'two',
    expiresAt: narrow.expiresAt,
    servers: [servers[1]],
  })
})

t.test('only the broker credential opens it', async (t) => {
  const service = await startApp(t)
  const { token } = await service.signer.sign('server', { user: 'alice', server: 'one' }, 60)
  for (const credential of [ALICE, token, BROKER.slice(0, -1), `${BROKER}x`, BROKER.toUpperCase()]) {
    const answer = await review(service, ALICE, credential)
    t.equal(answer.status, 403)
    t.match(await answer.json(), { code: 'broker_only' })
  }
  t.equal((await review(service, ALICE, null)).status, 401)
})

t.test('and the broker credential opens nothing else', async (t) => {
  const service = await startApp(t)
  t.equal((await service.fetch('/api/v1/user', { token: BROKER })).status, 401)
  t.equal((await review(service, BROKER)).status, 401)
})

t.test('refused tokens are 401 with their reason, refused users 403', async (t) => {
  const service = await startApp(t, { settings: { securityModel: { access: { denyUsers: ['bob'] } } } })
  const credential = await service.signer.sign('server', { user: 'alice', server: 'one' }, 60)
  const expired = await service.signer.sign('exec', { user: 'alice' }, -60)
  const foreign = await (await createSigner(await generateSigningKey())).sign('exec', { user: 'alice' }, 60)
  const cases: [string, number, string][] = [
    ['nobody-knows-this-token', 401, 'token_invalid'],
    [credential.token, 401, 'token_wrong_kind'],
    [expired.token, 401, 'token_invalid'],
    [foreign.token, 401, 'token_invalid'],
    [BOB, 403, 'not_allowed'],
  ]
  for (const [token, status, code] of cases) {
    const answer = await review(service, token)
    t.equal(answer.status, status)
    const text = await answer.text()
    t.match(JSON.parse(text), { code })
    t.notMatch(text, token)
  }
  for (const token of ['', null, ['a'], 'x'.repeat(20_000)]) {
    const answer = await review(service, token)
    t.equal(answer.status, 400)
    t.match(await answer.json(), { code: 'body_invalid' })
  }
})
