import t from 'tap'
import { namespaceName } from '../../../../proxy/security-model/namespace-name.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { approvedServer } from '../../../support/kubernetes.ts'
import { testKubernetes, untilReady } from '../../../support/kubernetes-cluster.ts'
import { user } from '../../../support/local-cluster.ts'
import { startRelay } from '../../../support/relay.ts'

const CREDENTIAL = 'header.payload.signature'

t.test('servers on Kubernetes', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const { kubectl } = server
  const [alice, bob] = [user('alice'), user('bob')]
  const home = namespaceName('alice', 'rexec-')

  t.test('the whole way: started, seen by another proxy, watched, stopped', async (t) => {
    const [one, two] = await Promise.all([1, 2].map(() => testKubernetes(t, server.kubeconfig)))
    t.equal(one!.cluster.kind, 'kubernetes')
    const status = await one!.start(alice)
    t.match(status, { name: 'default', user: 'alice', phase: 'pending', python: '3.12' })
    t.same(await one!.cluster.get(alice, 'default'), status, 'seen at once by whoever started it')
    while (!(await two!.cluster.get(alice, 'default'))) await new Promise(setImmediate)
    t.equal((await two!.cluster.list(alice)).length, 1)
    t.same(await two!.cluster.list(bob), [])
    t.equal(await two!.cluster.get(bob, 'default'), undefined)

    const phases: string[] = []
    const watching = (async () => {
      for await (const { phase } of two!.cluster.watch(alice, 'default', AbortSignal.timeout(60_000)))
        phases.push(phase)
    })()
    await t.rejects(two!.cluster.stop(bob, 'default'), { code: 'server_not_found' })
    await two!.cluster.stop(alice, 'default')
    t.equal(await two!.cluster.get(alice, 'default'), undefined, 'gone for whoever stopped it')
    await watching
    t.equal(phases.at(-1), 'stopped')
    t.equal((await kubectl('get', 'jobs,secrets,pods', '-n', home, '-o', 'name')).trim(), '')
    await t.rejects(one!.cluster.stop(alice, 'default'), { code: 'server_not_found' })
    await t.rejects(
      one!.cluster.watch(alice, 'default', AbortSignal.timeout(1000))[Symbol.asyncIterator]().next(),
      {
        code: 'server_not_found',
      },
    )
    t.notMatch(one!.log.text() + two!.log.text(), /signature/)
  })

  t.test('the pods of a server pass the Pod Security Standard', async (t) => {
    const { cluster, start } = await testKubernetes(t, server.kubeconfig)
    await start(alice, { name: 'secure', env: { A: 'b' } })
    await kubectl('wait', '--for=create', 'pod', '-l', 'rexec.dev/server=secure', '-n', home, '--timeout=60s')
    const pods = await kubectl('get', 'pods', '-l', 'rexec.dev/server=secure', '-n', home, '-o', 'name')
    t.match(pods.trim(), /^pod\/rexec-secure-0-[a-z0-9]+$/)
    await cluster.stop(alice, 'secure')
  })

  t.test('two proxies race for a new namespace and one name', async (t) => {
    const clusters = await Promise.all([1, 2].map(() => testKubernetes(t, server.kubeconfig)))
    const owner = user('racer')
    const started = await Promise.all(clusters.map(({ start }) => start(owner, { name: 'one' })))
    t.equal(started[0]!.digest, started[1]!.digest)
    const namespace = namespaceName('racer', 'rexec-')
    t.same((await kubectl('get', 'jobs', '-n', namespace, '-o', 'name')).trim(), 'job.batch/rexec-one')
    const differ = clusters.map(({ start }, index) => start(owner, { name: 'two', env: { N: `${index}` } }))
    const outcomes = (await Promise.allSettled(differ)).map((outcome) =>
      outcome.status === 'rejected' ? outcome.reason.code : 'started',
    )
    t.same(outcomes.sort(), ['server_differs', 'started'])
  })

  t.test('nothing is started in a namespace that is another’s', async (t) => {
    const { cluster } = await testKubernetes(t, server.kubeconfig)
    const mine = await cluster.ensureNamespace(bob)
    const wrong = { code: 'namespace_not_owned' }
    const credential = { credential: CREDENTIAL }
    await t.rejects(cluster.start(mine, approvedServer(), credential), wrong, 'a server of alice')
    const theirs = { name: home, owner: 'bob' }
    await t.rejects(cluster.start(theirs, approvedServer({}, { user: bob }), credential), wrong)
    const system = { name: 'kube-system', owner: 'bob' }
    await t.rejects(cluster.start(system, approvedServer({}, { user: bob }), credential), wrong)
  })

  t.test('a Job that claims to be another user’s is nobody’s', async (t) => {
    const { cluster, start } = await testKubernetes(t, server.kubeconfig)
    await start(bob, { name: 'real' })
    const theirs = namespaceName('bob', 'rexec-')
    const job = JSON.parse(await kubectl('get', 'job', 'rexec-real', '-n', theirs, '-o', 'json'))
    const { labels, annotations } = job.metadata
    const forged = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'rexec-forged', namespace: theirs, labels, annotations: { ...annotations } },
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } },
      },
    }
    forged.metadata.annotations['rexec.dev/owner'] = 'alice'
    await server.apply(forged)
    await server.apply({ ...forged, metadata: { ...forged.metadata, name: 'rexec-mine', annotations } })
    while (!(await cluster.get(bob, 'mine'))) await new Promise((resolve) => setTimeout(resolve, 10))
    t.same(
      (await cluster.list(alice)).map(({ name }) => name),
      [],
    )
    t.same((await cluster.list(bob)).map(({ name }) => name).sort(), ['mine', 'real'])
    await t.rejects(cluster.stop(alice, 'forged'), { code: 'server_not_found' })
    await t.rejects(cluster.stop(bob, 'forged'), { code: 'server_not_found' })
  })

  t.test('the network to the API server fails, and comes back', async (t) => {
    const relay = await startRelay(t, server.kubeconfig, server.folder)
    const { cluster, start, log } = await testKubernetes(t, relay.kubeconfig, { requestSeconds: 2 })
    await start(alice, { name: 'kept' })
    const away = { code: 'cluster_unavailable' }
    await relay.cut()
    await t.rejects(cluster.check(), away)
    await t.rejects(cluster.ensureNamespace(alice), away)
    await t.rejects(cluster.stop(alice, 'kept'), away)
    t.match(await cluster.get(alice, 'kept'), { name: 'kept' }, 'what is known can still be read')
    await relay.mend()
    await untilReady(cluster)
    await cluster.stop(alice, 'kept')
    t.equal(await cluster.get(alice, 'kept'), undefined)
    t.notMatch(log.text(), /signature/)
  })

  t.test('the API server is away when the proxy starts, ends in the middle, and comes back', async (t) => {
    await server.stopApi()
    const { cluster, start, log } = await testKubernetes(t, server.kubeconfig, {}, { ready: false })
    const away = { code: 'cluster_unavailable' }
    await t.rejects(cluster.check(), away)
    await t.rejects(cluster.list(alice), away)
    await t.rejects(cluster.get(alice, 'default'), away)
    await t.rejects(cluster.ensureNamespace(alice), away)
    await server.startApi()
    await untilReady(cluster)
    await start(alice, { name: 'before' })
    await server.stopApi()
    await t.rejects(start(alice, { name: 'meanwhile' }), away)
    t.equal((await cluster.list(alice)).length, 1)
    await server.startApi()
    await untilReady(cluster)
    // Changes are heard of again: what somebody else does shows.
    const deadline = AbortSignal.timeout(60_000)
    const seen = (async () => {
      for await (const { phase } of cluster.watch(alice, 'before', deadline)) if (phase === 'stopped') return
    })()
    await kubectl('delete', 'job', 'rexec-before', '-n', home)
    await seen
    t.notOk(deadline.aborted)
    t.match(log.text(), /servers that run have been read/)
  })

  t.test('rights that are missing are named in the log, not to users', async (t) => {
    await kubectl('create', 'serviceaccount', 'weak', '-n', 'default')
    const reader = ['--resource=jobs.batch,pods,events,namespaces', '--verb=get,list,watch']
    await kubectl('create', 'clusterrole', 'reader', ...reader)
    const subject = '--serviceaccount=default:weak'
    await kubectl('create', 'clusterrolebinding', 'reader', '--clusterrole=reader', subject)
    const kubeconfig = await server.kubeconfigFor({ serviceAccount: 'weak', namespace: 'default' })
    const { cluster } = await testKubernetes(t, kubeconfig, {}, { ready: false })
    let said: { message?: string; cause?: Error } = {}
    while (!said.cause?.message.includes('rights')) {
      said = await cluster.check().then(
        () => ({}),
        (error) => error,
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    t.match(said.cause?.message, /lacks rights: create jobs.batch, .*create secrets, .*create namespaces/)
    t.notMatch(said.message, /secrets/)
    await t.rejects(cluster.ensureNamespace(user('nobody')), { code: 'cluster_unavailable' })
  })
})
