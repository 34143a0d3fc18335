import t from 'tap'
import { checkSettings, SettingsError } from '../../../common/settings.ts'
import { createKubernetes, type ReviewToken } from '../../../proxy/identity/kubernetes.ts'
import { KubernetesIdentitySettings } from '../../../proxy/identity/settings.ts'
import { keptLog } from '../../support/log.ts'

// Tokens of a real API server: test/proxy/cluster/kubernetes/token-review.test.ts.

function authenticator(reviewToken: ReviewToken | undefined, given: object = {}, log = keptLog()) {
  return createKubernetes(checkSettings(KubernetesIdentitySettings, given), log.logger, reviewToken)
}

t.test('a proven token is a user, under a prefix if there is one', async (t) => {
  const asked: unknown[] = []
  const review: ReviewToken = async (token, audiences) => {
    asked.push([token, audiences])
    return token === 'good' ? { name: 'alice', groups: ['staff'] } : undefined
  }
  const made = authenticator(review, { namePrefix: 'k8s/', audiences: ['a', 'b'] })
  t.same(await made.authenticate({ token: 'good' }), {
    name: 'k8s/alice',
    groups: ['staff'],
    authenticator: 'kubernetes',
  })
  t.equal(await made.authenticate({ token: 'bad' }), undefined)
  t.same(asked, [
    ['good', ['a', 'b']],
    ['bad', ['a', 'b']],
  ])
  t.equal(made.knows, undefined, 'nobody can list the users of Kubernetes')
})

t.test('when nobody can be asked, nothing is proven nor refused', async (t) => {
  const made = authenticator(() => Promise.reject(new Error('no answer')))
  await t.rejects(made.authenticate({ token: 'good' }), { code: 'identity_unavailable' })
  await t.rejects(made.check(), { code: 'identity_unavailable' })
})

t.test('nobody is no user', async (t) => {
  const log = keptLog()
  for (const answer of [
    { name: 'system:anonymous', groups: [] },
    { name: 'somebody', groups: ['system:unauthenticated'] },
    { name: '', groups: [] },
    { name: 'a\nb', groups: [] },
    { name: 'x'.repeat(256), groups: [] },
  ]) {
    t.equal(await authenticator(async () => answer, {}, log).authenticate({ token: 'geheim' }), undefined)
  }
  t.equal(log.lines.length, 5)
  t.notMatch(log.text(), 'geheim')
})

t.test('it needs an API server to ask', async (t) => {
  t.throws(() => authenticator(undefined), SettingsError)
})
