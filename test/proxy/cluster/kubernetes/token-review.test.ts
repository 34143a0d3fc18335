import t, { type Test } from 'tap'
import { checkSettings } from '../../../../common/settings.ts'
import { createTokenReview } from '../../../../proxy/cluster/kubernetes/token-review.ts'
import { createKubernetes, type ReviewToken } from '../../../../proxy/identity/kubernetes.ts'
import { KubernetesIdentitySettings } from '../../../../proxy/identity/settings.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights } from '../../../support/chart.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { keptLog } from '../../../support/log.ts'

const skip = (await apiServerMissing()) ?? false

/** The authenticator that uses it. */
function authenticator(review: ReviewToken, given: object = {}) {
  return createKubernetes(checkSettings(KubernetesIdentitySettings, given), keptLog().logger, review)
}

/** Asks with the rights of the proxy's service account. */
async function reviewAs(t: Test, server: ApiServer): Promise<ReviewToken> {
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  return createTokenReview(testApi(t, kubeconfig, 5), kubernetesSettings())
}

t.test('tokens of a real API server', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.kubectl('create', 'namespace', 'lab')
  await server.kubectl('create', 'serviceaccount', 'notebook', '-n', 'lab')
  await server.kubectl('create', 'serviceaccount', 'leaving', '-n', 'lab')
  await server.apply(await proxyRights('account'))
  const review = await reviewAs(t, server)
  const tokenFor = async (account: string, ...audiences: string[]) => {
    const options = audiences.map((audience) => `--audience=${audience}`)
    return (await server.kubectl('create', 'token', account, '-n', 'lab', ...options)).trim()
  }
  const token = await tokenFor('notebook', 'rexec')

  t.test('without the right to ask, nobody can tell', async (t) => {
    await t.rejects(authenticator(review).authenticate({ token }), { code: 'identity_unavailable' })
    await t.rejects(authenticator(review).check(), { code: 'identity_unavailable' })
  })

  await server.apply(await proxyRights('tokenReview'))

  t.test('a token for our audience proves its service account', async (t) => {
    await authenticator(review).check()
    t.match(await authenticator(review).authenticate({ token }), {
      name: 'system:serviceaccount:lab:notebook',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:lab', 'system:authenticated'],
      authenticator: 'kubernetes',
    })
    t.match(await authenticator(review, { namePrefix: 'k8s/' }).authenticate({ token }), {
      name: 'k8s/system:serviceaccount:lab:notebook',
    })
    const either = authenticator(review, { audiences: ['other', 'rexec'] })
    t.match(await either.authenticate({ token }), { name: 'system:serviceaccount:lab:notebook' })
    const both = await tokenFor('notebook', 'rexec', 'other')
    t.match(await authenticator(review).authenticate({ token: both }), {
      name: 'system:serviceaccount:lab:notebook',
    })
  })

  t.test('tokens made for others are not known', async (t) => {
    const forApiServer = await tokenFor('notebook')
    t.equal(await authenticator(review).authenticate({ token: forApiServer }), undefined, 'the API server')
    const forVault = await tokenFor('notebook', 'vault')
    t.equal(await authenticator(review).authenticate({ token: forVault }), undefined, 'another service')
    const issuer = 'https://kubernetes.default.svc'
    t.match(await authenticator(review, { audiences: [issuer] }).authenticate({ token: forApiServer }), {
      name: 'system:serviceaccount:lab:notebook',
    })
  })

  t.test('what is no token of the API server is not known', async (t) => {
    const [header, payload, signature] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'system:admin' })).toString('base64url')
    for (const [title, wrong] of Object.entries({
      garbage: 'garbage',
      'a signature of another token': `${header}.${forged}.${signature}`,
      'no signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${forged}.`,
      'cut off': token.slice(0, -8),
    })) {
      t.equal(await authenticator(review).authenticate({ token: wrong }), undefined, title)
    }
  })

  t.test('a token ends with its service account', async (t) => {
    // Not shown before: the API server itself remembers proven tokens for ten seconds.
    const leaving = await tokenFor('leaving', 'rexec')
    await server.kubectl('delete', 'serviceaccount', 'leaving', '-n', 'lab')
    t.equal(await authenticator(review).authenticate({ token: leaving }), undefined)
  })

  t.test('an API server that is away proves and refuses nothing', async (t) => {
    await server.stopApi()
    const error = await authenticator(review)
      .authenticate({ token })
      .catch((error: Error) => error)
    t.match(error, { code: 'identity_unavailable' })
    t.notMatch(`${(error as Error).cause}`, token, 'the token is in no error')
    await t.rejects(authenticator(review).check(), { code: 'identity_unavailable' })
    await server.startApi()
  })
})

t.test('an API server that knows nothing of audiences cannot prove one', async (t) => {
  const status = { authenticated: true, user: { username: 'alice', groups: [] } }
  const review = createTokenReview(
    { create: async (object) => ({ ...object, status }) },
    kubernetesSettings(),
  )
  t.equal(await review('token', ['rexec']), undefined)
})

t.test('a user makes service accounts in the own namespace, to be many users', async (t) => {
  const namesOf = (username: string, namespaces: object) => {
    const status = { authenticated: true, audiences: ['rexec'], user: { username } }
    const api = { create: async <T>(object: T): Promise<T> => ({ ...object, status }) }
    return createTokenReview(api, kubernetesSettings({ namespaces }))('token', ['rexec'])
  }
  const account = (namespace: string) => `system:serviceaccount:${namespace}:second`
  t.equal(await namesOf(account('rexec-mallory-0123'), {}), undefined)
  t.match(await namesOf(account('lab'), {}), { name: account('lab') })
  t.match(await namesOf(account('rexec'), {}), { name: account('rexec') }, 'where rexec itself runs')
  const given = { mode: 'given', given: { mallory: 'team-mallory' } }
  t.equal(await namesOf(account('team-mallory'), given), undefined)
  t.match(await namesOf(account('rexec-mallory'), given), { name: account('rexec-mallory') })
  t.match(await namesOf('mallory', given), { name: 'mallory' })
})
