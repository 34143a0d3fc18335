import t, { type Test } from 'tap'
import { createBaseline } from '../../../../proxy/cluster/kubernetes/baseline.ts'
import { VERDICT } from '../../../../proxy/cluster/kubernetes/names.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import type { KnownServer, ServerStore } from '../../../../proxy/cluster/kubernetes/store.ts'
import type { Knows } from '../../../../proxy/cluster/kubernetes/vanished.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { BROKERS } from '../../../support/kubernetes-cluster.ts'
import { putOnLostNode } from '../../../support/lost-node.ts'
import { leftJob, testReconciler, until } from '../../../support/reconciler.ts'
import { alice } from '../../../support/security-model.ts'

const skip = (await apiServerMissing()) ?? false

/** A namespace of alice for one test, of an installation of its own. */
async function aliceIn(t: Test, { kubeconfig }: ApiServer, instance: string, given: object = {}) {
  const settings = { instance, namespaces: { prefix: `${instance}-` }, startSeconds: 30, ...given }
  const parts = await testReconciler(t, kubeconfig, { settings })
  const all = kubernetesSettings(settings)
  const namespace = await createNamespaces(parts.api, all).ensure(alice)
  await createBaseline(parts.api, all, BROKERS).apply(namespace.name)
  parts.store.proven(namespace)
  const leave = (name: string, change: object = {}) =>
    parts.api.create({ ...leftJob(namespace.name, { name }, settings), ...change })
  const jobs = async () => {
    const { items } = await parts.api.batch.listNamespacedJob({ namespace: namespace.name })
    return items.map(({ metadata }) => metadata!.name).sort()
  }
  return { ...parts, settings, namespace: namespace.name, leave, jobs }
}

const inStore = (store: ServerStore, namespace: string, name: string) =>
  until(store, namespace, () => store.get(namespace, 'alice', name) !== undefined)

/** A quota for the namespace. Resolves when it is in force. */
async function allowPods(server: ApiServer, namespace: string, pods: number): Promise<void> {
  await server.apply({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'full', namespace },
    spec: { hard: { pods: `${pods}` } },
  })
  const counted = `--for=jsonpath={.status.hard.pods}=${pods}`
  await server.kubectl('wait', counted, 'quota/full', '-n', namespace, '--timeout=120s')
}

t.test('the reconciler', { skip }, async (t) => {
  const server = await startApiServer(t)

  t.test('a start that was interrupted is cleared away when startSeconds are over, not before', async (t) => {
    const { store, reconciler, clock, leave, namespace, audit, metric } = await aliceIn(t, server, 'start')
    const job = await leave('half')
    await inStore(store, namespace, 'half')
    await reconciler.pass()
    t.match(store.get(namespace, 'alice', 'half'), { phase: 'pending' })
    t.same(audit(), [])

    clock.ahead = 31_000
    t.match(store.get(namespace, 'alice', 'half'), { phase: 'failed', code: 'start_interrupted' })
    await reconciler.pass()
    await store.gone(namespace, job.metadata!.uid!, AbortSignal.timeout(120_000))
    const line = { action: 'server.clear', user: 'alice', server: 'half', reason: 'interrupted' }
    t.same(audit(), [{ ...line, actor: 'rexec', outcome: 'done' }])
    t.equal(await metric('rexec_reconciler_acts_total', { action: 'server.clear' }), 1)
  })

  t.test('a start that goes on after it was looked at is left alone', async (t) => {
    const { api, store, leave, namespace, settings, jobs } = await aliceIn(t, server, 'race')
    await leave('late')
    await inStore(store, namespace, 'late')
    // Another proxy that still sees the Job as it was before.
    let old: KnownServer[] = []
    const other = await testReconciler(t, server.kubeconfig, {
      settings,
      see: (store) => ({ ...store, all: () => old }),
    })
    await inStore(other.store, namespace, 'late')
    other.clock.ahead = 31_000
    old = [...other.store.all()]
    await api.patch(leftJob(namespace, { name: 'late' }, settings), { spec: { suspend: false } })
    await other.reconciler.pass()
    t.same(await jobs(), ['rexec-late'])
    t.same(other.audit(), [])
    t.equal(await other.metric('rexec_reconciler_failures_total'), 0, 'that is no failure')
  })

  t.test('what cannot get better is ended, and does not come alive when the reason is gone', async (t) => {
    const given = { keepSeconds: 0 }
    const { api, store, leave, namespace, audit, settings } = await aliceIn(t, server, 'verdict', given)
    await allowPods(server, namespace, 0)
    const { metadata } = await leave('big')
    await api.patch(leftJob(namespace, { name: 'big' }, settings), { spec: { suspend: false } })
    await until(store, namespace, () => store.get(namespace, 'alice', 'big')?.code === 'quota_exceeded')
    // The change wakes it; nobody has asked for anything.
    await until(store, namespace, () => {
      const job = store.job(namespace, 'big')
      return job === undefined || job.metadata!.annotations?.[VERDICT] !== undefined
    })
    await allowPods(server, namespace, 10)
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    const pods = await server.kubectl('get', 'pods', '-n', namespace, '-o', 'name')
    t.equal(pods, '', 'no pod came alive')
    t.match(audit(), [
      { action: 'server.fail', user: 'alice', server: 'big', reason: 'quota_exceeded', actor: 'rexec' },
    ])
  })

  const isShared = server.given && 'somebody else uses this cluster: no node is made there'
  t.test('what is held by a pod on a node that does not answer is let go', { skip: isShared }, async (t) => {
    const { api, store, reconciler, clock, leave, namespace, settings, audit } = await aliceIn(
      t,
      server,
      'lost',
    )
    const { metadata } = await leave('held')
    await api.patch(leftJob(namespace, { name: 'held' }, settings), { spec: { suspend: false } })
    const { name } = await putOnLostNode(server, namespace, 'held')
    await api.remove(leftJob(namespace, { name: 'held' }, settings))
    const isEnding = () =>
      store.pods(store.job(namespace, 'held')!)[0]?.metadata?.deletionTimestamp !== undefined
    await until(store, namespace, isEnding)
    await reconciler.pass()
    t.same(audit(), [], 'not within its grace period')
    clock.ahead = 120_000
    t.match(store.get(namespace, 'alice', 'held'), {
      phase: 'stopping',
      message: /its node lost does not answer/,
    })
    await reconciler.pass()
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    t.match(audit(), [{ action: 'server.clear', server: 'held', reason: 'node_lost' }])
    await server.kubectl('delete', 'pod', name, '-n', namespace, '--force', '--grace-period=0')
  })

  t.test('a verdict keeps its reason when the Job has ended', async (t) => {
    const { api, store, leave, namespace, settings } = await aliceIn(t, server, 'reason')
    await allowPods(server, namespace, 0)
    await leave('big')
    await api.patch(leftJob(namespace, { name: 'big' }, settings), { spec: { suspend: false } })
    const hasEnded = () =>
      store.job(namespace, 'big')?.status?.conditions?.some(({ type, status }) => type === 'Failed' && status)
    await until(store, namespace, () => hasEnded() === true)
    t.match(store.get(namespace, 'alice', 'big'), {
      phase: 'failed',
      code: 'quota_exceeded',
      message: /pods.*\[quota_exceeded\]$/,
    })
  })

  t.test('somebody who has come back is not taken for vanished because that was remembered', async (t) => {
    const given = { namespaces: { prefix: 'back-', vanishedSeconds: 0, whenUserVanishes: 'delete' } }
    const { namespace, settings, leave, jobs } = await aliceIn(t, server, 'back', given)
    const asked: boolean[] = []
    const knows: Knows = async (_user, { fresh = false } = {}) => {
      asked.push(fresh)
      return fresh
    }
    const other = await testReconciler(t, server.kubeconfig, { settings, knows })
    await leave('new')
    await inStore(other.store, namespace, 'new')
    await until(other.store, namespace, () => {
      void other.reconciler.pass()
      return asked.includes(true)
    })
    await other.reconciler.pass()
    t.same(other.audit(), [])
    t.same(await jobs(), ['rexec-new'])
  })

  t.test('of several proxies one does it', async (t) => {
    const { store, reconciler, clock, leave, namespace, settings, audit } = await aliceIn(t, server, 'many')
    const others = await Promise.all([1, 2].map(() => testReconciler(t, server.kubeconfig, { settings })))
    const names = ['a', 'b', 'c']
    const uids = []
    for (const name of names) uids.push((await leave(name)).metadata!.uid!)
    const all = [{ store, reconciler, clock, audit }, ...others]
    for (const name of names) {
      for (const { store } of all) await inStore(store, namespace, name)
    }
    for (const { clock } of all) clock.ahead = 31_000
    await Promise.all(all.map(({ reconciler }) => reconciler.pass()))
    for (const uid of uids) await store.gone(namespace, uid, AbortSignal.timeout(120_000))
    const done = all.flatMap(({ audit }) => audit().map(({ server }) => server))
    t.same(done.sort(), names)
  })

  t.test('a server that has ended is cleared away when Kubernetes has not done it', async (t) => {
    const given = { keepSeconds: 100 }
    const { api, store, reconciler, clock, leave, namespace, settings, audit } = await aliceIn(
      t,
      server,
      'old',
      given,
    )
    const { metadata } = await leave('done')
    const job = leftJob(namespace, { name: 'done' }, settings)
    // As if the controller did not run: the time to live is taken away.
    await api.patch(job, {
      spec: { suspend: false, activeDeadlineSeconds: 1, ttlSecondsAfterFinished: null },
    })
    await until(store, namespace, () => store.get(namespace, 'alice', 'done')?.phase === 'stopped')
    clock.ahead = 150_000
    await reconciler.pass()
    t.same(audit(), [])
    clock.ahead = 170_000
    await reconciler.pass()
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    t.match(audit(), [{ action: 'server.clear', server: 'done', reason: 'expired' }])
  })

  t.test('Jobs of others are left alone', async (t) => {
    const { reconciler, clock, leave, namespace, store, jobs, audit } = await aliceIn(t, server, 'others')
    const mine = leftJob(namespace)
    const foreign = {
      'of another installation': {
        labels: { ...mine.metadata!.labels, 'app.kubernetes.io/instance': 'lab' },
      },
      'of another user': { annotations: { ...mine.metadata!.annotations, 'rexec.dev/owner': 'bob' } },
      'of nobody': { annotations: {} },
    }
    for (const [index, [title, metadata]] of Object.entries(foreign).entries()) {
      const labels = { ...mine.metadata!.labels, 'app.kubernetes.io/instance': 'others' }
      const name = `rexec-foreign-${index}`
      await leave('x', { metadata: { namespace, name, labels, annotations: {}, ...metadata } })
      t.comment(name, title)
    }
    const { metadata } = await leave('mine')
    await inStore(store, namespace, 'mine')
    clock.ahead = 10 * 86_400_000
    await reconciler.pass()
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    t.same(await jobs(), ['rexec-foreign-0', 'rexec-foreign-1', 'rexec-foreign-2'])
    t.match(audit(), [{ server: 'mine' }])
    t.equal(audit().length, 1)
  })

  t.test('Jobs in a namespace whose owner is not proven are left alone', async (t) => {
    const { reconciler, clock, leave, namespace, store, jobs, audit } = await aliceIn(t, server, 'unproven')
    await leave('mine')
    await inStore(store, namespace, 'mine')
    await server.kubectl('annotate', 'namespace', namespace, 'rexec.dev/owner-', '--overwrite')
    // Beyond the time for which a proof that was given a moment ago counts.
    clock.ahead = 10 * 86_400_000
    await until(store, namespace, () => store.ownerOf(namespace) === undefined)
    await reconciler.pass()
    t.same(await jobs(), ['rexec-mine'])
    t.same(audit(), [])
  })

  t.test('what it may not do in one namespace does not stop it in others', async (t) => {
    const given = { namespaces: { mode: 'given', given: { alice: 'a-first', bob: 'b-second' } } }
    const namespaceOf = (name: string, owner: string, hash: string) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name,
        labels: {
          'app.kubernetes.io/managed-by': 'rexec',
          'app.kubernetes.io/instance': 'rexec',
          'rexec.dev/owner-hash': hash,
        },
        annotations: { 'rexec.dev/owner': owner },
      },
    })
    const role = (namespace: string, verbs: string[]) => [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { name: 'r', namespace },
        rules: [
          { apiGroups: ['batch'], resources: ['jobs'], verbs },
          { apiGroups: [''], resources: ['pods', 'events', 'namespaces'], verbs: ['get', 'list', 'watch'] },
        ],
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'r', namespace },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
        subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'limited' }],
      },
    ]
    await server.apply([
      namespaceOf('a-first', 'alice', '2bd806c97f0e00af1a1fc3328fa763a9269723c8'),
      namespaceOf('b-second', 'bob', '81b637d8fcd2c6da6359e6963113a1170de795e4'),
    ])
    await server.apply([
      ...role('a-first', ['get', 'list', 'watch']),
      ...role('b-second', ['get', 'list', 'watch', 'delete']),
    ])
    const job = (namespace: string, owner: string) => {
      const left = leftJob(namespace)
      left.metadata!.annotations!['rexec.dev/owner'] = owner
      return left
    }
    await server.apply([job('a-first', 'alice'), job('b-second', 'bob')])
    const kubeconfig = await server.kubeconfigFor({ user: 'limited' })
    const { store, reconciler, clock, log, audit, metric } = await testReconciler(t, kubeconfig, {
      settings: given,
    })
    await until(store, 'a-first', () => store.list('a-first', 'alice').length === 1)
    await until(store, 'b-second', () => store.list('b-second', 'bob').length === 1)
    clock.ahead = 61_000
    await reconciler.pass()
    await until(store, 'b-second', () => store.list('b-second', 'bob').length === 0)
    t.match(audit(), [{ user: 'bob', action: 'server.clear' }])
    t.ok((await metric('rexec_reconciler_failures_total')) >= 1)
    t.match(log.text(), /the reconciler may not do this.*alice|alice.*the reconciler may not do this/)
    const failures = () => metric('rexec_reconciler_failures_total')
    const once = await failures()
    for (let again = 0; again < 3; again++) await reconciler.pass()
    t.equal(await failures(), once, 'asked for no more, so that no Job of a user fills the log')
    clock.ahead += 601_000
    await reconciler.pass()
    t.ok((await failures()) > once, 'until there may be new rights')
  })

  t.test('an API server that is away is no reason to give up', async (t) => {
    const { store, reconciler, clock, leave, namespace, audit } = await aliceIn(t, server, 'away')
    const { metadata } = await leave('half')
    await inStore(store, namespace, 'half')
    await server.stopApi()
    clock.ahead = 31_000
    await reconciler.pass()
    t.same(audit(), [])
    await server.startApi()
    await until(store, namespace, () => store.deafSince() === undefined)
    await reconciler.pass()
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    t.match(audit(), [{ action: 'server.clear', server: 'half' }])
  })
})
