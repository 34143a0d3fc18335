import t, { type Test } from 'tap'
import { givenNamespace } from '../../../../proxy/cluster/kubernetes/given-namespace.ts'
import { VANISHED_SINCE } from '../../../../proxy/cluster/kubernetes/names.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { leftJob, testReconciler, until } from '../../../support/reconciler.ts'
import { alice } from '../../../support/security-model.ts'

const skip = (await apiServerMissing()) ?? false
const MINUTE = 60_000

/** Alice's namespace in an installation of its own, and who is known. */
async function aliceIn(t: Test, { kubeconfig }: ApiServer, instance: string, namespaces: object = {}) {
  const settings = {
    instance,
    namespaces: { prefix: `${instance}-`, vanishedSeconds: 1200, ...namespaces },
    startSeconds: 3600,
  }
  const users = { known: undefined as boolean | undefined }
  const parts = await testReconciler(t, kubeconfig, { settings, knows: async () => users.known })
  const namespace = await createNamespaces(parts.api, kubernetesSettings(settings)).ensure(alice)
  const { name } = namespace
  await until(parts.store, name, () =>
    [...parts.store.namespaces()].some(({ metadata }) => metadata!.name === name),
  )
  const left = async (server: string) => {
    const job = await parts.api.create(leftJob(name, { name: server }, settings))
    await until(parts.store, name, () => parts.store.get(name, 'alice', server) !== undefined)
    return job.metadata!.uid!
  }
  const read = () => parts.api.core.readNamespace({ name })
  /** What the namespaces' watch tells of has arrived. */
  const noted = (wanted: boolean) =>
    until(parts.store, name, () => {
      const found = [...parts.store.namespaces()].find(({ metadata }) => metadata!.name === name)
      return (found?.metadata?.annotations?.[VANISHED_SINCE] !== undefined) === wanted
    })
  return { ...parts, users, namespace: name, left, read, noted }
}

t.test('users whom nobody knows any more', { skip }, async (t) => {
  const server = await startApiServer(t)

  t.test('the time is noted in the namespace, and the note goes when the user is back', async (t) => {
    const { reconciler, users, read, noted, clock, audit, left, store, namespace } = await aliceIn(
      t,
      server,
      'note',
    )
    await left('mine')
    await reconciler.pass()
    t.equal((await read()).metadata!.annotations![VANISHED_SINCE], undefined, 'nobody can tell: nothing')

    users.known = false
    await reconciler.pass()
    await noted(true)
    const since = Date.parse((await read()).metadata!.annotations![VANISHED_SINCE]!)
    t.ok(Math.abs(since - Date.now()) < 60_000)
    clock.ahead = 10 * MINUTE
    await reconciler.pass()
    t.equal(Date.parse((await read()).metadata!.annotations![VANISHED_SINCE]!), since, 'it is the first time')

    users.known = undefined
    clock.ahead = 30 * MINUTE
    await reconciler.pass()
    t.equal(
      Date.parse((await read()).metadata!.annotations![VANISHED_SINCE]!),
      since,
      'no answer is no reason',
    )

    users.known = true
    await reconciler.pass()
    await noted(false)
    users.known = false
    await reconciler.pass()
    await noted(true)
    t.ok(Date.parse((await read()).metadata!.annotations![VANISHED_SINCE]!) > since, 'it begins anew')
    t.same(
      audit().filter(({ reason }) => reason === 'vanished'),
      [],
    )
    t.equal(store.list(namespace, 'alice').length, 1)
  })

  t.test('after vanishedSeconds the servers are stopped, and the namespace is kept', async (t) => {
    const { reconciler, users, noted, clock, audit, left, store, namespace, read } = await aliceIn(
      t,
      server,
      'keep',
    )
    const uids = [await left('one'), await left('two')]
    users.known = false
    await reconciler.pass()
    await noted(true)
    clock.ahead = 21 * MINUTE
    await reconciler.pass()
    for (const uid of uids) await store.gone(namespace, uid, AbortSignal.timeout(30_000))
    t.equal((await read()).status?.phase, 'Active')
    const line = { user: 'alice', action: 'server.stop', actor: 'rexec', reason: 'vanished', outcome: 'done' }
    t.same(
      audit().filter(({ action }) => action === 'server.stop'),
      ['one', 'two'].map((server) => ({ ...line, server })),
    )
  })

  t.test('with "delete" the namespace goes as well, and only that one', async (t) => {
    const vanish = { whenUserVanishes: 'delete' }
    const { reconciler, users, noted, clock, audit, read, api } = await aliceIn(t, server, 'drop', vanish)
    const { metadata } = await read()
    // By name, owner and annotation as ours, but of another installation, or of none.
    const like = (name: string, labels: object) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels, annotations: metadata!.annotations! },
    })
    await server.apply([
      like('drop-other', { ...metadata!.labels, 'app.kubernetes.io/instance': 'other' }),
      like('drop-unlabelled', {}),
      like('drop-hash', { ...metadata!.labels, 'rexec.dev/owner-hash': '0'.repeat(40) }),
    ])
    users.known = false
    await reconciler.pass()
    await noted(true)
    // Beyond the time for which a proof that was given a moment ago counts.
    clock.ahead = 21 * MINUTE
    await reconciler.pass()
    await server.kubectl('wait', '--for=delete', '--timeout=30s', `namespace/${metadata!.name}`)
    t.match(
      audit().filter(({ action }) => action === 'namespace.delete'),
      [{ user: 'alice', reason: 'vanished', actor: 'rexec' }],
    )
    for (const name of ['drop-other', 'drop-unlabelled', 'drop-hash']) {
      t.equal((await api.core.readNamespace({ name })).status?.phase, 'Active', name)
    }
  })

  t.test('a note that makes no sense counts as none', async (t) => {
    const vanish = { whenUserVanishes: 'delete' }
    const { reconciler, users, noted, read, namespace } = await aliceIn(t, server, 'sense', vanish)
    for (const note of ['never', '', '2999-01-01T00:00:00Z']) {
      await server.kubectl('annotate', '--overwrite', 'namespace', namespace, `${VANISHED_SINCE}=${note}`)
      await noted(true)
      users.known = false
      for (let rounds = 0; rounds < 20; rounds++) {
        await reconciler.pass()
        const since = Date.parse((await read()).metadata!.annotations![VANISHED_SINCE]!)
        if (Math.abs(since - Date.now()) < 60_000) break
      }
      const { metadata, status } = await read()
      t.ok(
        Math.abs(Date.parse(metadata!.annotations![VANISHED_SINCE]!) - Date.now()) < 60_000,
        `note "${note}"`,
      )
      t.equal(status?.phase, 'Active')
    }
  })

  t.test('mode given: servers are stopped, and the namespace is not written to', async (t) => {
    const given = kubernetesSettings({ instance: 'given' })
    await server.apply(givenNamespace('alice', 'team-alice', given, 'rexec-proxy'))
    const settings = {
      instance: 'given',
      namespaces: {
        mode: 'given',
        given: { alice: 'team-alice' },
        whenUserVanishes: 'delete',
        vanishedSeconds: 1200,
      },
      startSeconds: 3600,
    }
    const knows = async () => false
    const { store, api, clock, reconciler } = await testReconciler(t, server.kubeconfig, { settings, knows })
    const { metadata } = await api.core.readNamespace({ name: 'team-alice' })
    const job = await api.create(leftJob('team-alice', { name: 'mine' }, settings))
    await until(store, 'team-alice', () => store.get('team-alice', 'alice', 'mine') !== undefined)
    await reconciler.pass()
    clock.ahead = 10 * MINUTE
    await reconciler.pass()
    t.equal(store.list('team-alice', 'alice').length, 1)
    clock.ahead = 21 * MINUTE
    await reconciler.pass()
    await store.gone('team-alice', job.metadata!.uid!, AbortSignal.timeout(30_000))
    const after = await api.core.readNamespace({ name: 'team-alice' })
    t.equal(after.metadata!.resourceVersion, metadata!.resourceVersion)
  })
})
