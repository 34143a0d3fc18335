import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { User } from '../../../../proxy/pipeline.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights } from '../../../support/chart.ts'
import { approvedServer } from '../../../support/kubernetes.ts'
import { testKubernetes } from '../../../support/kubernetes-cluster.ts'
import { testReconciler, until } from '../../../support/reconciler.ts'
import { rexec } from '../../../support/rexec-command.ts'

const skip = (await apiServerMissing()) ?? false

const pullSecret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'rexec-pull', namespace: 'rexec' },
  type: 'kubernetes.io/dockerconfigjson',
  stringData: { '.dockerconfigjson': '{"auths":{}}' },
}

/** All that a profile and a request can say of a pod. (A RuntimeClass would have to exist.) */
const EVERYTHING = {
  request: { name: 'everything', env: { A: '$(HOME)' }, replicas: 2, resources: { gpu: 1 } },
  profile: {
    gpu: { max: 4 },
    replicas: { max: 8 },
    pod: {
      nodeSelector: { 'example.org/pool': 'gpu' },
      tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoSchedule' }],
      affinity: { podAntiAffinity: {} },
      priorityClassName: 'batch',
      sharedMemory: '256Mi',
      volumes: [{ claim: 'data', mountPath: '/data', subPath: 'a', readOnly: true }],
      labels: { team: 'science' },
      annotations: { 'example.org/a': 'b' },
    },
  },
}

/** An API server with the account and what both modes need, and the account's kubeconfig. */
async function withAccount(t: Test, ...parts: ('cluster' | 'policies')[]) {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.apply(pullSecret)
  await server.apply(await proxyRights('account', 'pullSecrets', ...parts))
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  return { server, kubeconfig }
}

/** A policy counts a moment after it was stored, and nothing tells when. */
async function policiesInForce({ kubectl }: ApiServer): Promise<void> {
  const account = '--as=system:serviceaccount:rexec:rexec-proxy'
  for (let denied = false; !denied; ) {
    denied = await kubectl('create', 'namespace', 'x', '--dry-run=server', account).then(
      () => false,
      (error: Error) => error.message.includes('denied request'),
    )
  }
}

/** All that the backend does for a user, with everything that an administrator can switch. */
async function mainSequence(
  t: Test,
  { server, kubeconfig }: { server: ApiServer; kubeconfig: string },
  given: object,
) {
  const user: User = { name: 'alice', groups: [], authenticator: 'test' }
  const settings = { imagePullSecrets: ['rexec-pull'], keepSeconds: 60, ...given }
  const { cluster, start, log } = await testKubernetes(t, kubeconfig, settings)
  t.match(await start(user), { name: 'default', user: 'alice' })
  t.match(await cluster.list(user), [{ name: 'default' }])
  t.match(await cluster.get(user, 'default'), { profile: 'default' })
  const namespace = await cluster.ensureNamespace(user)
  const { name } = namespace
  const everything = approvedServer(EVERYTHING.request, { profile: EVERYTHING.profile, user })
  t.match(await cluster.start(namespace, everything, { credential: 'a.b.c' }), { name: 'everything' })
  const inNamespace = await server.kubectl(
    'get',
    'all,secret,networkpolicy,quota,limits,sa',
    '-n',
    name,
    '-o',
    'name',
  )
  for (const object of [
    'job.batch/rexec-default',
    'secret/rexec-default',
    'secret/rexec-pull',
    'networkpolicy.networking.k8s.io/rexec',
    'resourcequota/rexec',
    'limitrange/rexec',
    'serviceaccount/rexec',
  ]) {
    t.match(inNamespace, object)
  }

  // Switched off: taken away again.
  const without = await testKubernetes(t, kubeconfig, {
    ...settings,
    network: { policies: false },
    quota: {},
  })
  await without.cluster.ensureNamespace(user)
  const left = await server.kubectl('get', 'networkpolicy,quota', '-n', name, '-o', 'name')
  t.equal(left, '', 'policy and quota are gone')

  await cluster.stop(user, 'default')
  await cluster.stop(user, 'everything')
  t.same(await cluster.list(user), [])
  t.match(await start(user), { name: 'default' }, 'started again')
  t.notMatch(log.text(), /denied request|cannot \w+ resource|may write to every namespace/)
  return { cluster, user, name }
}

t.test(
  'in mode "cluster" the backend works with exactly the rights that the chart gives',
  { skip },
  async (t) => {
    const account = await withAccount(t, 'cluster', 'policies')
    await policiesInForce(account.server)
    const { name } = await mainSequence(t, account, {})

    t.test('and so does the reconciler, up to deleting the namespace', async (t) => {
      const { server, kubeconfig } = account
      await server.kubectl('create', 'quota', 'full', '-n', name, '--hard=pods=0')
      const namespaces = { whenUserVanishes: 'delete', vanishedSeconds: 3600 }
      const settings = { namespaces, imagePullSecrets: ['rexec-pull'] }
      const { start } = await testKubernetes(t, kubeconfig, settings)
      await start({ name: 'alice', groups: [], authenticator: 'test' }, { name: 'full' })
      const knows = async () => false
      const { store, reconciler, clock, audit, metric } = await testReconciler(t, kubeconfig, {
        settings,
        knows,
      })
      const has = (action: string) => audit().some((act) => act.action === action)
      await until(store, name, () => has('server.fail'))
      await reconciler.pass()
      clock.ahead = 3_601_000
      await until(store, name, () => {
        void reconciler.pass()
        return has('namespace.delete')
      })
      await server.kubectl('wait', '--for=delete', '--timeout=120s', `namespace/${name}`)
      t.ok(has('server.stop'))
      t.equal(await metric('rexec_reconciler_failures_total'), 0)
    })
  },
)

t.test('in mode "namespaces" it works without any right beyond them', { skip }, async (t) => {
  const account = await withAccount(t)
  const given = { namespaces: { mode: 'given', given: { alice: 'team-alice' } } }
  const settings = JSON.stringify({ cluster: { kind: 'kubernetes', kubernetes: given } })
  const file = join(t.testdir({ 'proxy.json': settings }), 'proxy.json')
  const { stdout } = await rexec(t, ['namespaces', '--settings', file, 'alice']).ended
  await account.server.apply(JSON.parse(stdout).items)

  t.test('alone', (t) => mainSequence(t, account, given))

  t.test('with the admission policies as a second lock', async (t) => {
    await account.server.apply(await proxyRights('policies'))
    // Nothing of what it may not do is refused by RBAC before the policies see it.
    await account.server.apply(await proxyRights('cluster'))
    await policiesInForce(account.server)
    await account.server.kubectl('delete', 'clusterrole,clusterrolebinding', 'rexec-proxy')
    await mainSequence(t, account, given)
  })
})
