import t from 'tap'
import { BOB, bodyOf, startApp } from '../../../../support/test-app.ts'

interface Made {
  token: string
  expiresAt: string
}
const now = () => Date.now() / 1000

t.test('POST /tokens makes an exec token, for all servers or for one', async (t) => {
  const { fetch, verify, log } = await startApp(t)
  const whole = await fetch('/api/v1/tokens', { method: 'POST' })
  t.equal(whole.status, 201)
  const { token, expiresAt } = await bodyOf<Made>(whole)
  const claims = await verify('exec', token)
  t.match(claims, { user: 'alice', server: undefined })
  t.equal(Date.parse(expiresAt) / 1000, claims.expiresAt)
  t.ok(Math.abs(claims.expiresAt - now() - 3600) < 10)

  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'one' } })
  const one = await fetch('/api/v1/tokens', { method: 'POST', json: { server: 'one', lifetimeSeconds: 60 } })
  const narrow = await verify('exec', (await bodyOf<Made>(one)).token)
  t.match(narrow, { user: 'alice', server: 'one' })
  t.ok(Math.abs(narrow.expiresAt - now() - 60) < 10)

  t.match(
    log.filter(({ audit }) => (audit as { action?: string })?.action === 'token.make'),
    [
      { audit: { user: 'alice', outcome: 'made' } },
      { audit: { user: 'alice', server: 'one', outcome: 'made' } },
    ],
  )
  t.notMatch(JSON.stringify(log), token)
})

t.test('the life time is bounded by the settings', async (t) => {
  const { fetch, verify } = await startApp(t, {
    settings: { tokens: { execSeconds: 7200, maxExecSeconds: 600 } },
  })
  const post = (json: object) => fetch('/api/v1/tokens', { method: 'POST', json })
  for (const lifetimeSeconds of [601, 0, -1, 1.5, '60', 1e12]) {
    const answer = await post({ lifetimeSeconds })
    t.equal(answer.status, 400)
    t.match(await answer.json(), { code: 'body_invalid', detail: /^lifetimeSeconds must be/ })
  }
  t.equal((await post({ lifetimeSeconds: 600 })).status, 201)
  const usual = await verify('exec', (await bodyOf<Made>(post({}))).token)
  t.ok(usual.expiresAt - now() <= 601, 'the usual life time is bounded as well')
})

t.test("no token for a server that is not the user's", async (t) => {
  const { fetch } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'one' } })
  const answer = await fetch('/api/v1/tokens', { method: 'POST', token: BOB, json: { server: 'one' } })
  t.equal(answer.status, 404)
  t.match(await answer.json(), { code: 'server_not_found' })
})

t.test('an exec token cannot be used to make more, or for anything else here', async (t) => {
  const { fetch } = await startApp(t)
  const { token } = await bodyOf<Made>(fetch('/api/v1/tokens', { method: 'POST' }))
  for (const path of ['/api/v1/tokens', '/api/v1/servers']) {
    const answer = await fetch(path, { method: 'POST', token, json: {} })
    t.equal(answer.status, 401)
    t.match(await answer.json(), { code: 'token_wrong_kind' })
  }
})
