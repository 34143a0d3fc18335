import t from 'tap'
import { RexecError } from '../../../common/errors.ts'
import { startApp } from '../../support/test-app.ts'

t.test('healthz only says that the process answers', async (t) => {
  const { fetch, cluster } = await startApp(t)
  cluster.failure = new Error('away')
  const answer = await fetch('/healthz', { token: null })
  t.equal(answer.status, 200)
  t.same(await answer.json(), { status: 'ok' })
})

/** Each question is a check of its own. */
const EACH = { limits: { readyAgeSeconds: 0 } }

t.test('readyz tells the truth, and names what fails', async (t) => {
  const { fetch, cluster, log } = await startApp(t, { settings: EACH })
  const ready = await fetch('/readyz', { token: null })
  t.equal(ready.status, 200)
  t.same(await ready.json(), { status: 'ready', checks: { identity: 'ok', cluster: 'ok' } })
  const cause = new Error('the service account lacks rights')
  cluster.failure = new RexecError('cluster_unavailable', 'Some detail about the inside.', { cause })
  const not = await fetch('/readyz', { token: null })
  t.equal(not.status, 503)
  t.same(await not.json(), {
    status: 'not ready',
    checks: { identity: 'ok', cluster: 'cluster_unavailable' },
  })
  await fetch('/readyz', { token: null })
  const told = () => log.filter(({ msg }) => msg === 'not ready')
  t.match(
    told(),
    [{ level: 'warn', check: 'cluster', err: { message: cause.message } }],
    'why: in the log, once',
  )
  cluster.failure = undefined
  t.equal((await fetch('/readyz')).status, 200, 'it recovers')
  cluster.failure = new RexecError('cluster_unavailable', undefined, { cause })
  await fetch('/readyz', { token: null })
  t.equal(told().length, 2, 'and when it comes back')
})

t.test('a flood of askers without a token costs one check', async (t) => {
  let checks = 0
  const identities = {
    authenticate: () => Promise.reject(new RexecError('token_invalid')),
    check: async () => {
      checks += 1
    },
  }
  for (const [limits, times] of [
    [{ readyAgeSeconds: 60 }, 1],
    [{ readyAgeSeconds: 0 }, 20],
  ] as const) {
    checks = 0
    const { fetch } = await startApp(t, { identities, settings: { limits } })
    for (let asked = 0; asked < 20; asked++) await (await fetch('/readyz', { token: null })).text()
    t.equal(checks, times, JSON.stringify(limits))
  }
})

t.test('a check that is excluded is shown and does not count', async (t) => {
  const identities = {
    authenticate: () => Promise.reject(new RexecError('identity_unavailable')),
    check: () => Promise.reject(new RexecError('identity_unavailable')),
  }
  const { fetch, cluster } = await startApp(t, { identities, settings: EACH })
  const answer = await fetch('/readyz?exclude=identity', { token: null })
  t.equal(answer.status, 200)
  t.same(await answer.json(), {
    status: 'ready',
    checks: { identity: 'identity_unavailable', cluster: 'ok' },
  })
  t.equal((await fetch('/readyz', { token: null })).status, 503)
  cluster.failure = new RexecError('cluster_unavailable')
  t.equal((await fetch('/readyz?exclude=identity', { token: null })).status, 503, 'the others count')
  t.equal((await fetch('/readyz?exclude=everything', { token: null })).status, 400)
})

t.test('a check that hangs has failed, and many askers share one', async (t) => {
  let checks = 0
  const identities = {
    authenticate: () => Promise.reject(new RexecError('token_invalid')),
    check: () => {
      checks += 1
      return new Promise<void>(() => {})
    },
  }
  const { fetch } = await startApp(t, { identities, settings: { limits: { readySeconds: 1 } } })
  const answers = await Promise.all(Array.from({ length: 10 }, () => fetch('/readyz')))
  for (const answer of answers) {
    t.equal(answer.status, 503)
    t.same(await answer.json(), { status: 'not ready', checks: { identity: 'timeout', cluster: 'ok' } })
  }
  t.equal(checks, 1)
})
