import type { V1Job } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { Registry } from '../../../../common/metrics.ts'
import {
  OWNER,
  OWNER_HASH,
  ownerHash,
  ownLabels,
  SERVER,
} from '../../../../proxy/cluster/kubernetes/names.ts'
import { createServerStore, type ServerStore } from '../../../../proxy/cluster/kubernetes/store.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { keptLog } from '../../../support/log.ts'
import { LOST_NODE, putOnLostNode } from '../../../support/lost-node.ts'
import { startRelay } from '../../../support/relay.ts'

/** A test that waits longer than this in all has failed. */
const PATIENCE = 60_000

const ours = ownLabels('rexec')
const namespace = (name: string, owner: string, labels: object = ours) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels: { ...labels, [OWNER_HASH]: ownerHash(owner) }, annotations: { [OWNER]: owner } },
})
const container = { image: 'localhost/nosuch', resources: { requests: { memory: '1Gi' } } }
const server = (
  place: string,
  name: string,
  owner: string,
  spec: object = { suspend: true },
  labels: object = ours,
) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: {
    name: `rexec-${name}`,
    namespace: place,
    labels: { ...labels },
    annotations: { [OWNER]: owner },
  },
  spec: {
    completionMode: 'Indexed',
    completions: 1,
    parallelism: 1,
    backoffLimitPerIndex: 0,
    podReplacementPolicy: 'Failed',
    ...spec,
    template: {
      metadata: { labels: { ...labels, [SERVER]: name } },
      spec: {
        restartPolicy: 'Never',
        initContainers: [{ name: 'agent', restartPolicy: 'Always', ...container }],
        containers: [{ name: 'worker', ...container }],
      },
    },
  },
})

/** Resolves when this is so. */
async function until(store: ServerStore, place: string, isSo: () => unknown): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE)
  while (!isSo()) {
    late.throwIfAborted()
    await store.changed(place, late)
  }
}

function openStore(t: Test, kubeconfig: string, given: object = {}, now?: () => number) {
  const log = keptLog()
  const registry = new Registry()
  const api = testApi(t, kubeconfig)
  const settings = kubernetesSettings({ kubeconfig, ...given })
  const store = createServerStore(api, settings, { logger: log.logger, registry, ...(now && { now }) })
  t.teardown(() => store.close())
  return { store, api, log, registry }
}

t.test('what is known of servers', { skip: await apiServerMissing(t.comment) }, async (t) => {
  const kubernetes = await startApiServer(t)
  const { kubectl, apply } = kubernetes
  const isShared = kubernetes.given && 'somebody else uses this cluster: no node is made there'

  t.test('servers are seen to come, change and go; two stores agree', async (t) => {
    const { store, registry } = openStore(t, kubernetes.kubeconfig)
    const other = openStore(t, kubernetes.kubeconfig).store
    await Promise.all([store.ready, other.ready])
    t.equal(store.deafSince(), undefined)
    t.match(
      await registry.getSingleMetricAsString('rexec_kubernetes_watches'),
      /resource="jobs",state="up"} 1/,
    )

    await apply(namespace('rexec-alice', 'alice'))
    await apply(server('rexec-alice', 'one', 'alice'))
    await until(store, 'rexec-alice', () => store.get('rexec-alice', 'alice', 'one'))
    t.match(store.list('rexec-alice', 'alice'), [{ name: 'one', user: 'alice', phase: 'pending' }])
    t.equal(store.ownerOf('rexec-alice'), 'alice')
    t.same(
      [...store.namespaces()].map(({ metadata }) => metadata!.name),
      ['rexec-alice'],
    )

    await apply(server('rexec-alice', 'one', 'alice', { suspend: false }))
    const message = 'It waits for a place on a node.'
    await until(store, 'rexec-alice', () => store.get('rexec-alice', 'alice', 'one')?.message === message)
    const job = store.job('rexec-alice', 'one')!
    const [pod] = store.pods(job)
    t.equal(pod!.metadata!.ownerReferences![0]!.uid, job.metadata!.uid)
    await until(other, 'rexec-alice', () => other.get('rexec-alice', 'alice', 'one')?.message === message)
    t.same(other.list('rexec-alice', 'alice'), store.list('rexec-alice', 'alice'))

    // As a scheduler, then a kubelet would say it.
    const name = pod!.metadata!.name!
    const say = (status: object) =>
      kubectl(
        'patch',
        'pod',
        '-n',
        'rexec-alice',
        name,
        '--subresource=status',
        '-p',
        JSON.stringify({ status }),
      )
    const lastTransitionTime = new Date().toISOString()
    const refused = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime }
    await say({ conditions: [{ ...refused, message: '0/3 nodes are available: 3 Insufficient memory.' }] })
    await until(store, 'rexec-alice', () =>
      /^No node/.test(store.get('rexec-alice', 'alice', 'one')!.message),
    )
    t.match(
      [...store.all()],
      [{ status: { message: /3 of 3 with too little memory free\). It asks for 2Gi of memory\./ } }],
    )

    const uid = job.metadata!.uid!
    const gone = [store, other].map((store) => store.gone('rexec-alice', uid, AbortSignal.timeout(PATIENCE)))
    await kubectl('delete', 'job', '-n', 'rexec-alice', 'rexec-one', '--cascade=foreground')
    await Promise.all(gone)
    t.same(store.list('rexec-alice', 'alice'), [])
    t.same([...store.all(), ...store.jobs()], [])
    await store.gone('rexec-alice', uid, AbortSignal.timeout(0))
    t.pass('what is gone already is not waited for')
  })

  t.test('only the owner of a namespace has servers in it', async (t) => {
    const { store } = openStore(t, kubernetes.kubeconfig)
    const other = { ...ours, 'app.kubernetes.io/instance': 'other' }
    await apply([
      namespace('rexec-bob', 'bob'),
      namespace('rexec-squatted', 'bob', {}),
      namespace('rexec-not-ours', 'bob', other),
      {
        ...namespace('rexec-forged', 'bob'),
        metadata: { ...namespace('rexec-forged', 'mallory').metadata, annotations: { [OWNER]: 'bob' } },
      },
    ])
    // All as it should be, but for the name.
    await apply(namespace('elsewhere', 'bob'))
    await apply([server('elsewhere', 'own', 'bob'), server('elsewhere', 'too', 'bob')])
    const places = ['rexec-bob', 'rexec-squatted', 'rexec-not-ours', 'rexec-forged']
    for (const place of places) {
      await apply([
        server(place, 'own', 'bob'),
        server(place, 'of-carol', 'carol'),
        server(place, 'of-other', 'bob', { suspend: true }, other),
      ])
    }
    await apply({
      ...server('rexec-bob', 'x', 'bob'),
      metadata: { ...server('rexec-bob', 'x', 'bob').metadata, name: 'x' },
    })
    await store.ready
    await until(store, 'rexec-forged', () => [...store.jobs()].length === 2 * places.length + 1)
    t.same(
      store.list('rexec-bob', 'bob').map(({ name }) => name),
      ['own'],
    )
    t.same(store.list('rexec-bob', 'carol'), [], 'a Job that names another user')
    t.equal(store.get('rexec-bob', 'bob', 'of-other'), undefined, 'of another installation')
    for (const place of ['rexec-squatted', 'rexec-not-ours', 'rexec-forged']) {
      t.same(store.list(place, 'bob'), [], place)
      t.equal(store.ownerOf(place), undefined, place)
    }
    t.equal(store.ownerOf('elsewhere'), undefined, 'without our prefix')
    t.same(store.list('elsewhere', 'bob'), [])
    t.same(
      [...store.all()].map(({ status }) => status.name),
      ['own'],
    )

    for (let i = 0; i < 6000; i++) {
      const metadata = { name: `rexec-m${i}`, namespace: 'rexec-mallory', uid: `m${i}`, resourceVersion: '1' }
      store.put({ metadata })
    }
    const kept = [...store.jobs()].filter(({ metadata }) => metadata?.namespace === 'rexec-mallory')
    t.equal(kept.length, 5000, 'nobody fills the memory by the number of Jobs')
    t.ok(store.get('rexec-bob', 'bob', 'own'), 'and what others have stays')

    store.proven({ name: 'rexec-new', owner: 'dave' })
    t.equal(store.ownerOf('rexec-new'), 'dave', 'until the watch tells')
    await kubectl('delete', 'namespace', 'elsewhere', ...places, '--wait=false')
  })

  t.test('what was just written is seen at once, and never older than what is known', async (t) => {
    const { store, api } = openStore(t, kubernetes.kubeconfig)
    await store.ready
    await apply(namespace('rexec-erin', 'erin'))
    const made = (await api.create(server('rexec-erin', 'one', 'erin'))) as V1Job
    store.proven({ name: 'rexec-erin', owner: 'erin' })
    store.put(made)
    t.match(store.get('rexec-erin', 'erin', 'one'), { phase: 'pending' })
    const changed = await api.patch(made, {
      metadata: { annotations: { 'rexec.dev/verdict': '{"code":"evicted"}' } },
    })
    store.put(changed)
    store.put(made)
    t.match(store.get('rexec-erin', 'erin', 'one'), { phase: 'failed', code: 'evicted' })

    const { uid } = made.metadata!
    await api.remove(made)
    await store.gone('rexec-erin', uid!, AbortSignal.timeout(PATIENCE))
    store.put(changed)
    t.same(store.list('rexec-erin', 'erin'), [], 'what is deleted does not come back')
    const again = (await api.create(server('rexec-erin', 'one', 'erin'))) as V1Job
    store.put(again)
    store.put(changed)
    t.match(store.job('rexec-erin', 'one'), { metadata: { uid: again.metadata!.uid } })
    await t.rejects(store.gone('rexec-erin', again.metadata!.uid!, AbortSignal.timeout(1)), {
      name: 'TimeoutError',
    })
  })

  t.test('quota: why there is no pod, and when it is given up', async (t) => {
    const { store } = openStore(t, kubernetes.kubeconfig)
    await store.ready
    await apply(namespace('rexec-frank', 'frank'))
    await kubectl('create', 'quota', 'rexec', '-n', 'rexec-frank', '--hard=requests.memory=1Gi')
    await apply(server('rexec-frank', 'big', 'frank', { suspend: false }))
    const start = performance.now()
    const status = () => store.get('rexec-frank', 'frank', 'big')
    await until(store, 'rexec-frank', () => status()?.phase === 'failed')
    const taken = performance.now() - start
    // The next event, a bookmark, comes after a minute.
    t.ok(taken < 30_000, `by time alone, without another event: ${taken.toFixed(0)} ms`)
    t.match(status(), { code: 'quota_exceeded', message: /requests\.memory: 2Gi asked for, 0 of 1Gi used/ })
    const known = [...store.all()].find(({ job }) => job.metadata!.namespace === 'rexec-frank')
    t.match(known?.verdict, { code: 'quota_exceeded', message: status()!.message })
    await kubectl('delete', 'namespace', 'rexec-frank', '--wait=false')
  })

  t.test(
    '1,100 servers of 20 users are read page by page; a list of one user looks at no other',
    async (t) => {
      const { api, store: first } = openStore(t, kubernetes.kubeconfig)
      await first.ready
      const names = Array.from({ length: 55 }, (_, index) => `s${index}`)
      const places = Array.from({ length: 20 }, (_, index) => `rexec-many-${index}`)
      await apply(places.map((place) => namespace(place, place)))
      const jobs = places.flatMap((place) => names.map((name) => server(place, name, place)))
      while (jobs.length > 0) await Promise.all(jobs.splice(0, 100).map((job) => api.create(job)))
      const isOne = ({ metadata }: V1Job) => metadata!.namespace!.startsWith('rexec-many-')
      await until(first, 'rexec-many-19', () => [...first.jobs()].filter(isOne).length === 1100)
      const start = performance.now()
      const { store, registry } = openStore(t, kubernetes.kubeconfig)
      await store.ready
      t.comment(`read after ${(performance.now() - start).toFixed(0)} ms`)
      t.equal([...store.all()].filter(({ status }) => status.user.startsWith('rexec-many-')).length, 1100)
      t.same(
        store
          .list('rexec-many-7', 'rexec-many-7')
          .map(({ name }) => name)
          .sort(),
        names.toSorted(),
      )
      const metrics = await registry
        .getSingleMetricAsString('rexec_kubernetes_request_seconds')
        .catch(() => '')
      t.notMatch(metrics, /verb="list",resource="jobs",code="4/)
      const before = performance.now()
      for (let time = 0; time < 1000; time += 1) store.list('rexec-many-7', 'rexec-many-7')
      t.comment(`a list of 55 servers takes ${(performance.now() - before).toFixed(0)} µs`)
      t.match(store.list('rexec-many-7', 'rexec-many-8'), [])
      await kubectl('delete', 'namespace', '-l', 'app.kubernetes.io/instance=rexec', '--wait=false')
    },
  )

  t.test('what only events tell of a pod', { skip: isShared }, async (t) => {
    const { store } = openStore(t, kubernetes.kubeconfig)
    await store.ready
    await apply(namespace('rexec-ivan', 'ivan'))
    await apply(server('rexec-ivan', 'one', 'ivan', { suspend: false }))
    const { name, uid } = await putOnLostNode(kubernetes, 'rexec-ivan', 'one')
    const message = () => store.get('rexec-ivan', 'ivan', 'one')?.message
    const warn = (reason: string, text: string) =>
      apply({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name}.${reason.toLowerCase()}`, namespace: 'rexec-ivan' },
        involvedObject: { kind: 'Pod', namespace: 'rexec-ivan', name, uid },
        ...{ type: 'Warning', reason, message: text, lastTimestamp: new Date().toISOString() },
      })
    await warn('FailedMount', 'MountVolume.SetUp failed for volume "home" : it is not there')
    const trouble = 'Its volume "home" cannot be mounted: it is not there.'
    await until(store, 'rexec-ivan', () => message() === trouble)
    await warn('Unhealthy', 'Readiness probe failed')
    await warn('NetworkNotReady', 'not yet')
    await until(store, 'rexec-ivan', () => message() === `The network of its node ${LOST_NODE} is not ready.`)
    await kubectl('delete', 'namespace', 'rexec-ivan', '--wait=false')
  })

  t.test('a namespace of its own for each user, without a right in the cluster', async (t) => {
    await apply([
      namespace('rexec-system', 'nobody', {}),
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'proxy', namespace: 'rexec-system' } },
      namespace('team-gina', 'gina'),
      namespace('team-hugo', 'hugo'),
      ...['Role', 'RoleBinding'].map((kind) => ({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind,
        metadata: { name: 'proxy', namespace: 'team-gina' },
        ...(kind === 'Role'
          ? {
              rules: [
                { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] },
                { apiGroups: ['batch'], resources: ['jobs'], verbs: ['list', 'watch'] },
                { apiGroups: [''], resources: ['pods', 'events'], verbs: ['list', 'watch'] },
              ],
            }
          : {
              roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'proxy' },
              subjects: [{ kind: 'ServiceAccount', name: 'proxy', namespace: 'rexec-system' }],
            }),
      })),
    ])
    const kubeconfig = await kubernetes.kubeconfigFor({ serviceAccount: 'proxy', namespace: 'rexec-system' })
    const namespaces = { mode: 'given', given: { gina: 'team-gina', hugo: 'team-hugo' } }
    const { store, log } = openStore(t, kubeconfig, { namespaces, reconcileSeconds: 1 })
    await store.ready
    await apply([server('team-gina', 'one', 'gina'), server('team-hugo', 'one', 'hugo')])
    await until(store, 'team-gina', () => store.get('team-gina', 'gina', 'one'))
    t.equal(store.ownerOf('team-gina'), 'gina')
    t.same(store.list('team-hugo', 'hugo'), [], 'no rights yet: nothing is known, and nobody is held up')
    t.equal(store.deafSince(), undefined)
    t.match(log.text(), /jobs in team-hugo cannot be watched/)
    t.equal(store.ownerOf('kube-system'), undefined)
    store.put({ metadata: { name: 'rexec-x', namespace: 'elsewhere', uid: 'u', resourceVersion: '1' } })
    t.equal(store.job('elsewhere', 'x'), undefined, 'outside the given namespaces nothing is taken in')
  })
})

t.test('an API server that comes and goes', { skip: await apiServerMissing(t.comment) }, async (t) => {
  const kubernetes = await startApiServer(t)
  if (kubernetes.given) return t.comment('skipped: this one cannot be stopped')
  const { apply, kubectl } = kubernetes

  t.test('restarted: what is known stays, no time passes, and then it goes on', async (t) => {
    let hours = 0
    const now = () => Date.now() + hours * 3_600_000
    const { store, log } = openStore(t, kubernetes.kubeconfig, {}, now)
    await store.ready
    await apply([namespace('rexec-alice', 'alice')])
    await apply(server('rexec-alice', 'one', 'alice'))
    await until(store, 'rexec-alice', () => store.get('rexec-alice', 'alice', 'one'))
    await kubernetes.stopApi()
    await until(store, 'rexec-alice', () => store.deafSince() !== undefined)
    hours = 5
    t.match(
      store.get('rexec-alice', 'alice', 'one'),
      {
        phase: 'pending',
        message: 'It is being created. The cluster does not answer now, so this may be old.',
      },
      'hours later',
    )
    t.same(
      [...store.all()].map(({ verdict }) => verdict),
      [undefined],
    )
    hours = 0
    await kubernetes.startApi()
    await apply(server('rexec-alice', 'two', 'alice'))
    await until(store, 'rexec-alice', () => store.get('rexec-alice', 'alice', 'two'))
    await until(store, 'rexec-alice', () => store.deafSince() === undefined)
    t.match(store.get('rexec-alice', 'alice', 'two'), { message: 'It is being created.' })
    t.same(
      store
        .list('rexec-alice', 'alice')
        .map(({ name }) => name)
        .sort(),
      ['one', 'two'],
    )
    const told = log.lines.filter(({ msg }) => /jobs/.test(`${msg}`)).map(({ level }) => level)
    t.same(told, ['info', 'warn', 'info'], 'the log has the changes and no more')
  })

  t.test(
    'what went while the network was away, and what the API server has forgotten since (410)',
    async (t) => {
      const relay = await startRelay(t, kubernetes.kubeconfig, kubernetes.folder)
      const { store, log } = openStore(t, relay.kubeconfig)
      await store.ready
      await apply(server('rexec-alice', 'three', 'alice'))
      await until(store, 'rexec-alice', () => store.list('rexec-alice', 'alice').length === 3)
      const gone = store.gone(
        'rexec-alice',
        store.job('rexec-alice', 'two')!.metadata!.uid!,
        AbortSignal.timeout(PATIENCE),
      )
      await relay.cut()
      await until(store, 'rexec-alice', () => store.deafSince() !== undefined)
      await kubectl('delete', 'job', '-n', 'rexec-alice', 'rexec-two', 'rexec-three', '--wait=true')
      await apply(server('rexec-alice', 'three', 'alice', { suspend: false }))
      // A new process knows only what was changed since its start.
      await kubernetes.stopApi()
      await kubernetes.startApi()
      t.equal(store.list('rexec-alice', 'alice').length, 3, 'what was known stays until there is a new list')
      await relay.mend()
      await gone
      await until(
        store,
        'rexec-alice',
        () => store.get('rexec-alice', 'alice', 'three')?.message !== 'It is being created.',
      )
      t.same(
        store
          .list('rexec-alice', 'alice')
          .map(({ name }) => name)
          .sort(),
        ['one', 'three'],
      )
      t.notMatch(log.text(), /unhandled/i)
    },
  )
})
