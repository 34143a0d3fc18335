import t from 'tap'
import { namespaceName } from '../../../../proxy/security-model/namespace-name.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { testKubernetes } from '../../../support/kubernetes-cluster.ts'
import { user } from '../../../support/local-cluster.ts'
import { LOST_NODE, putOnLostNode } from '../../../support/lost-node.ts'

t.test('stopping a server', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const { kubectl } = server
  const isShared = server.given && 'somebody else uses this cluster: no node is made there'
  const alice = user('alice')
  const home = namespaceName('alice', 'rexec-')
  const patchJob = (change: object) =>
    kubectl('patch', 'job', 'rexec-default', '-n', home, '--type=merge', '-p', JSON.stringify(change))

  t.test('the name is free when it resolves, for the next server too', async (t) => {
    const { cluster, start } = await testKubernetes(t, server.kubeconfig)
    for (let round = 0; round < 3; round++) {
      t.match(await start(alice, { env: { ROUND: `${round}` } }), { phase: 'pending' })
      await cluster.stop(alice, 'default')
    }
    t.equal((await kubectl('get', 'jobs,secrets,pods', '-n', home, '-o', 'name')).trim(), '')
  })

  t.test('one that does not end: the request is told so in time, and it shows', async (t) => {
    const given = { drainSeconds: 0, stopSeconds: 1 }
    const { cluster, start } = await testKubernetes(t, server.kubeconfig, given)
    await start(alice)
    await patchJob({ metadata: { finalizers: ['example.org/held'] } })
    await t.rejects(cluster.stop(alice, 'default'), {
      code: 'cluster_unavailable',
      message: /has not ended yet/,
    })
    t.match(await cluster.get(alice, 'default'), { phase: 'stopping' })
    await t.rejects(start(alice), { code: 'server_stopping' }, 'its name is not free')
    await patchJob({ metadata: { finalizers: null } })
    await cluster.stop(alice, 'default').catch((error) => t.equal(error.code, 'server_not_found'))
    t.equal(await cluster.get(alice, 'default'), undefined)
  })

  t.test('one whose node does not answer: its name is free all the same', { skip: isShared }, async (t) => {
    const { cluster, start } = await testKubernetes(t, server.kubeconfig, { drainSeconds: 0 })
    await start(alice)
    const { name } = await putOnLostNode(server, home, 'default')
    const stopped = cluster.stop(alice, 'default')
    await kubectl(
      'wait',
      '--for=jsonpath={.metadata.deletionTimestamp}',
      'pod',
      name,
      '-n',
      home,
      '--timeout=120s',
    )
    t.match(await cluster.get(alice, 'default'), { phase: 'stopping', message: 'It is being stopped.' })
    // Its grace period is cut short, so that the test is.
    await kubectl('delete', 'pod', name, '-n', home, '--grace-period=1', '--wait=false')
    const told: string[] = []
    for await (const { message } of cluster.watch(alice, 'default', AbortSignal.timeout(60_000)))
      told.push(message)
    t.same(told.slice(-2), [
      `It is being stopped, but its node ${LOST_NODE} does not answer.`,
      'It was stopped.',
    ])
    await stopped
    t.equal(
      await kubectl('get', 'pods', '-n', home, '-o', 'name'),
      `pod/${name}\n`,
      'Kubernetes has it still',
    )
    t.match(await start(alice), { phase: 'pending' })
    await cluster.stop(alice, 'default')
    await kubectl('delete', 'pod', name, '-n', home, '--force', '--grace-period=0')
  })

  t.test('a Job under one of our names that rexec has not made stays', async (t) => {
    const { cluster } = await testKubernetes(t, server.kubeconfig)
    await cluster.ensureNamespace(alice)
    await kubectl('create', 'job', 'rexec-foreign', '--image=a', '-n', home)
    await t.rejects(cluster.stop(alice, 'foreign'), { code: 'server_not_found' })
    t.equal(await kubectl('get', 'job', '-n', home, '-o', 'name'), 'job.batch/rexec-foreign\n')
  })

  t.test('names that are no names', async (t) => {
    const { cluster } = await testKubernetes(t, server.kubeconfig)
    for (const name of ['../../../namespaces', 'a/b', '', '%2e%2e', 'x'.repeat(300)])
      await t.rejects(cluster.stop(alice, name), { code: 'server_not_found' }, JSON.stringify(name))
  })
})
