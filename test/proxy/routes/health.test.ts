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

t.test('readyz tells the truth, and names what fails', async (t) => {
  const { fetch, cluster } = await startApp(t)
  const ready = await fetch('/readyz', { token: null })
  t.equal(ready.status, 200)
  t.same(await ready.json(), { status: 'ready', checks: { identity: 'ok', cluster: 'ok' } })
  cluster.failure = new RexecError('cluster_unavailable', 'Some detail about the inside.')
  const not = await fetch('/readyz', { token: null })
  t.equal(not.status, 503)
  t.same(await not.json(), {
    status: 'not ready',
    checks: { identity: 'ok', cluster: 'cluster_unavailable' },
  })
  cluster.failure = undefined
  t.equal((await fetch('/readyz')).status, 200, 'it recovers')
})

t.test('a check that is excluded is shown and does not count', async (t) => {
  const identities = {
    authenticate: () => Promise.reject(new RexecError('identity_unavailable')),
    check: () => Promise.reject(new RexecError('identity_unavailable')),
  }
  const { fetch, cluster } = await startApp(t, { identities })
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
