import t from 'tap'
import { ALICE, BROKER, startApp, type TestApp } from '../../../../support/test-app.ts'

const review = (
  { fetch }: TestApp,
  credential: unknown,
  waitSeconds: unknown = 0,
  token: string | null = BROKER,
) => fetch('/api/v1/server-reviews', { method: 'POST', token, json: { credential, waitSeconds } })

async function withServer(service: TestApp): Promise<string> {
  await service.fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'one' } })
  return service.cluster.credentials.at(-1)!
}

t.test(
  'a broker learns how the server of a credential is, at the latest when its time is over',
  async (t) => {
    const service = await startApp(t)
    const credential = await withServer(service)
    const starting = { user: 'alice', name: 'one', phase: 'starting', message: 'Starting.' }
    for (const seconds of [0, 0.05]) {
      const answer = await review(service, credential, seconds)
      t.equal(answer.status, 200)
      t.same(await answer.json(), starting)
    }
  },
)

t.test('it waits for the reason, and no longer', async (t) => {
  const service = await startApp(t)
  const credential = await withServer(service)
  const asked = review(service, credential, 30)
  service.cluster.set('alice', 'one', 'stopping', 'It is ending.')
  await new Promise(setImmediate)
  service.cluster.set('alice', 'one', 'failed', 'It used more disk than its limit.')
  t.match(await (await asked).json(), { phase: 'failed', message: 'It used more disk than its limit.' })
  t.match(
    await (await review(service, credential, 30)).json(),
    { phase: 'failed' },
    'at once when it is known',
  )
})

t.test('a server that is gone is not found', async (t) => {
  const service = await startApp(t)
  const credential = await withServer(service)
  await service.fetch('/api/v1/servers/one', { method: 'DELETE' })
  const answer = await review(service, credential)
  t.equal(answer.status, 404)
  t.match(await answer.json(), { code: 'server_not_found' })
})

t.test('only the broker credential opens it, and only for the credential of a server', async (t) => {
  const service = await startApp(t)
  const credential = await withServer(service)
  for (const token of [ALICE, credential, BROKER.slice(0, -1)]) {
    const answer = await review(service, credential, 0, token)
    t.match(await answer.json(), { status: 403, code: 'broker_only' })
  }
  t.equal((await review(service, credential, 0, null)).status, 401)

  const exec = await service.signer.sign('exec', { user: 'alice', server: 'one' }, 60)
  const expired = await service.signer.sign('server', { user: 'alice', server: 'one' }, -60)
  for (const [shown, code] of [
    [exec.token, 'token_wrong_kind'],
    [expired.token, 'token_invalid'],
    [ALICE, 'token_invalid'],
    [BROKER, 'token_invalid'],
  ] as const) {
    const answer = await review(service, shown)
    const text = await answer.text()
    t.match(JSON.parse(text), { status: 401, code })
    t.notMatch(text, shown)
  }
  for (const [shown, seconds] of [
    ['', 0],
    [null, 0],
    ['x'.repeat(20_000), 0],
    [credential, -1],
    [credential, 31],
    [credential, '3'],
  ])
    t.match(await (await review(service, shown, seconds)).json(), { status: 400, code: 'body_invalid' })
})
