import type { V1Namespace } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { givenNamespace } from '../../../../proxy/cluster/kubernetes/given-namespace.ts'
import { VANISHED_SINCE } from '../../../../proxy/cluster/kubernetes/names.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import { areTooMany } from '../../../../proxy/cluster/kubernetes/vanished.ts'
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

/** Ten users with a namespace each, the first of them alice, in an installation of its own. */
async function crowdIn(t: Test, { kubeconfig }: ApiServer, instance: string, namespaces: object) {
  const settings = {
    instance,
    namespaces: { prefix: `${instance}-`, vanishedSeconds: 1200, ...namespaces },
    startSeconds: 3600,
  }
  const names = ['alice', ...Array.from({ length: 9 }, (_, index) => `user${index + 1}`)]
  const users = new Map<string, boolean | undefined>(names.map((name) => [name, true]))
  const answer = (known: boolean | undefined, ...of: string[]) => {
    for (const name of of) users.set(name, known)
  }
  const start = async (change: object = {}) => {
    const given = { ...settings, namespaces: { ...settings.namespaces, ...change } }
    const parts = await testReconciler(t, kubeconfig, {
      settings: given,
      knows: async (user) => users.get(user),
    })
    const alerts = () => parts.log.lines.filter(({ level }) => level === 'error')
    return { ...parts, alerts, held: () => parts.metric('rexec_reconciler_failures_total') }
  }
  const parts = await start()
  const of = createNamespaces(parts.api, kubernetesSettings(settings))
  const made = await Promise.all(names.map((name) => of.ensure({ ...alice, name })))
  /** What the namespaces' watch tells of has arrived. */
  const noted = (count: number, store = parts.store) => {
    const isNoted = ({ metadata }: V1Namespace) => metadata!.annotations?.[VANISHED_SINCE] !== undefined
    return until(store, made[0]!.name, () => [...store.namespaces()].filter(isNoted).length === count)
  }
  await until(parts.store, made[0]!.name, () => [...parts.store.namespaces()].length === names.length)
  return { ...parts, start, settings, names, answer, noted, namespace: made[0]!.name }
}

t.test('how many are too many', async (t) => {
  t.notOk(areTooMany(4, 0, 0.5), 'of so few it may be all')
  t.ok(areTooMany(5, 0, 0.5))
  t.notOk(areTooMany(5, 5, 0.5), 'just the share')
  t.ok(areTooMany(6, 5, 0.5))
  t.notOk(areTooMany(5000, 0, 1), 'it may be all')
})

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
    for (const uid of uids) await store.gone(namespace, uid, AbortSignal.timeout(120_000))
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
    await server.kubectl('wait', '--for=delete', '--timeout=120s', `namespace/${metadata!.name}`)
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
    await store.gone('team-alice', job.metadata!.uid!, AbortSignal.timeout(120_000))
    const after = await api.core.readNamespace({ name: 'team-alice' })
    t.equal(after.metadata!.resourceVersion, metadata!.resourceVersion)
  })

  t.test('an empty hub, or another one, takes nothing from anybody', async (t) => {
    const crowd = await crowdIn(t, server, 'crowd', { whenUserVanishes: 'delete' })
    const { reconciler, clock, answer, noted, names, audit, alerts, held } = crowd
    const deleted = (acts: Record<string, unknown>[]) =>
      acts.flatMap(({ action, user }) => (action === 'namespace.delete' ? [user as string] : [])).sort()
    // Some are noted before the others: their time is over when that of the others is not.
    answer(false, ...names.slice(0, 3))
    await reconciler.pass()
    await noted(3)
    t.same(alerts(), [], 'three of ten may leave')
    answer(false, ...names)
    clock.ahead = 10 * MINUTE
    await reconciler.pass()
    await noted(10)
    t.match(
      alerts(),
      [{ unknown: 10, known: 0, msg: /hub is empty.*maxVanishedShare/ }],
      'told before the day',
    )
    for (const minutes of [21, 60]) {
      clock.ahead = minutes * MINUTE
      const before = await held()
      await reconciler.pass()
      t.ok((await held()) > before, 'counted as long as it lasts')
    }
    answer(undefined, ...names.slice(0, 4))
    await reconciler.pass()
    t.same(audit(), [], 'no answer does not speak for the hub')
    t.equal(alerts().length, 1, 'told once')

    answer(true, ...names.slice(0, 5))
    await reconciler.pass()
    await noted(0)
    t.same(deleted(audit()), names.slice(5), 'half of them may leave')

    await reconciler.close()
    answer(false, ...names)
    const meant = await crowd.start({ maxVanishedShare: 1 })
    await meant.reconciler.pass()
    await noted(5, meant.store)
    meant.clock.ahead = 90 * MINUTE
    await meant.reconciler.pass()
    await noted(0, meant.store)
    t.same(deleted(meant.audit()), names.slice(0, 5), 'all of them, where that is meant')
    t.same(meant.alerts(), [])
  })

  t.test('kept namespaces of users who left long ago do not count', async (t) => {
    const { reconciler, clock, answer, noted, names, audit, alerts, store, api, namespace, settings } =
      await crowdIn(t, server, 'alumni', {})
    const { metadata } = await api.create(leftJob(namespace, { name: 'mine' }, settings))
    await until(store, namespace, () => store.get(namespace, 'alice', 'mine') !== undefined)
    answer(false, ...names.slice(0, 9))
    await reconciler.pass()
    await noted(9)
    clock.ahead = 21 * MINUTE
    await reconciler.pass()
    await store.gone(namespace, metadata!.uid!, AbortSignal.timeout(120_000))
    t.match(audit(), [{ action: 'server.stop', user: 'alice', reason: 'vanished' }])
    t.same(alerts(), [])
  })
})
