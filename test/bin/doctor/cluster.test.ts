import t from 'tap'
import { type Result, runChecks } from '../../../bin/doctor/check.ts'
import { clusterChecks } from '../../../bin/doctor/cluster.ts'
import { isConfined, isConfinedWithin } from '../../../proxy/cluster/kubernetes/confinement.ts'
import { givenNamespace } from '../../../proxy/cluster/kubernetes/given-namespace.ts'
import { apiServerMissing, startApiServer } from '../../cluster/api-server.ts'
import { proxyRights } from '../../support/chart.ts'
import { kubernetesSettings, namespaceOf } from '../../support/kubernetes.ts'
import { testApi } from '../../support/kubernetes-cluster.ts'

const skip = (await apiServerMissing()) ?? false

t.test('rights and confinement of the account, on a real API server', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.apply(await proxyRights('account'))
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  const account = testApi(t, kubeconfig)

  async function look(given: object = {}, authenticators: string[] = []) {
    const settings = kubernetesSettings({ kubeconfig, ...given })
    const results = await runChecks(clusterChecks(settings, authenticators), 60)
    return (check: string) =>
      results.filter((result) => result.check === check).map(({ level, what }: Result) => `${level}: ${what}`)
  }

  t.test('without rights, each that is missing is named', async (t) => {
    const found = await look({ imagePullSecrets: ['rexec-pull'] }, ['kubernetes'])
    t.match(found('api-server'), [/^ok: Kubernetes v1\.\d+/, /^ok: the clocks of the API server/])
    t.match(found('rights'), [/^fail: the account lacks rights: create jobs\.batch, .*watch namespaces$/])
    t.match(found('dangerous-rights'), [/^ok: /])
    t.match(found('confinement'), [/^ok: /])
    t.match(found('pull-secrets'), [
      /^fail: the pull secret rexec-pull cannot be copied: .*cannot get resource/,
    ])
    t.match(found('token-review'), [/^fail: .*cannot create resource "tokenreviews"/])
  })

  t.test('with the rights and without the policies', async (t) => {
    await server.apply(await proxyRights('cluster', 'tokenReview', 'pullSecrets'))
    while (await isConfined(account));
    const found = await look({ imagePullSecrets: ['rexec-pull'] }, ['kubernetes'])
    t.match(found('rights'), [/^ok: /])
    t.match(found('dangerous-rights'), [/^ok: /], 'the chart gives none of them')
    t.match(found('confinement'), [/^fail: the account may write to every namespace/])
    t.match(found('pull-secrets'), [/^fail: .*secrets "rexec-pull" not found$/])
    t.match(found('token-review'), [/^ok: /])
  })

  t.test('with all that the chart gives, but for one policy', async (t) => {
    const policies = await proxyRights('policies')
    const isOfJobs = ({ metadata }: { metadata?: { name?: string } }) => metadata!.name!.endsWith('-jobs')
    await server.apply(policies.filter((object) => !isOfJobs(object)))
    while (!(await isConfined(account)));
    t.match((await look())('confinement'), [/^ok: /], 'there is no namespace of a user yet')
    await server.apply(namespaceOf('alice', 'rexec-alice'))
    t.match((await look())('confinement'), [/^fail: .*Jobs of any shape/])
    await server.apply(policies.filter(isOfJobs))
    while (!(await isConfinedWithin(account, 'rexec-alice', 'rexec')));
  })

  t.test('with all that the chart gives', async (t) => {
    const found = await look()
    for (const check of ['rights', 'dangerous-rights', 'confinement']) t.match(found(check), [/^ok: /], check)
    t.notMatch(await server.kubectl('get', 'namespaces', '-o', 'name'), 'rexec-is-not', 'nothing was made')
  })

  t.test('an administrator of the cluster has too many', async (t) => {
    const found = await look({ kubeconfig: server.kubeconfig })
    t.match(found('dangerous-rights'), [/^warn: .*list secrets, create pods, create pods\/exec, .*escalate/])
  })

  t.test('in mode given: namespaces that are missing, foreign or as they should be', async (t) => {
    const namespaces = { mode: 'given', given: { alice: 'team-alice', bob: 'team-bob', carol: 'team-carol' } }
    const settings = kubernetesSettings({ namespaces })
    await server.apply(givenNamespace('alice', 'team-alice', settings, 'rexec-proxy'))
    await server.kubectl('create', 'namespace', 'team-bob')
    const found = await look({ namespaces })
    t.match(found('namespaces'), [
      /^fail: the namespace of "bob": .*lacks what proves it/,
      /^fail: the namespace of "carol": .*does not exist yet/,
    ])
    const alone = await look({ namespaces: { mode: 'given', given: { alice: 'team-alice' } } })
    t.match(alone('namespaces'), [/^ok: 1 given namespaces/])
    t.match(alone('rights'), [/^ok: the account has the rights that mode "given" needs/])
  })

  t.test('an API server that is away', { skip: server.given && 'the cluster is not ours' }, async (t) => {
    await server.stopApi()
    const found = await look()
    t.match(found('api-server'), [/^fail: api-server: .*nothing listens there/])
    t.match(found('rights'), [/^fail: /])
    t.match(found('confinement'), [/^fail: .*could not be found out/])
  })
})

t.test('no way to a cluster', async (t) => {
  const settings = kubernetesSettings({ kubeconfig: '/nowhere' })
  const results = await runChecks(clusterChecks(settings, []), 60)
  t.ok(results.every(({ level, what }) => level === 'fail' && what.includes('kubeconfig')))
})
