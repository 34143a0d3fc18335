import type { V1Namespace } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import type { NamespaceChange } from '../../../../proxy/cluster/cluster.ts'
import type { Api } from '../../../../proxy/cluster/kubernetes/api.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import { namespaceName } from '../../../../proxy/security-model/namespace-name.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { untilSettled } from '../../../cluster/namespace.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { user } from '../../../support/local-cluster.ts'

const OWNED = {
  'app.kubernetes.io/managed-by': 'rexec',
  'app.kubernetes.io/instance': 'rexec',
}
/** printf alice | sha256sum | head -c 40, and of bob. */
const HASH = '2bd806c97f0e00af1a1fc3328fa763a9269723c8'
const BOBS = '81b637d8fcd2c6da6359e6963113a1170de795e4'

t.test('namespaces of users', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const named = (t: Test, settings: object = {}) =>
    createNamespaces(testApi(t, server.kubeconfig), kubernetesSettings(settings))
  const read = async (name: string): Promise<V1Namespace> =>
    JSON.parse(await server.kubectl('get', 'namespace', name, '-o', 'json'))

  t.test('one is made, with proof of whose it is, and found again', async (t) => {
    const labels = { team: 'science', 'rexec.dev/owner-hash': 'x' }
    const settings = kubernetesSettings({ namespaces: { labels } })
    const namespaces = createNamespaces(testApi(t, server.kubeconfig), settings)
    const noted: NamespaceChange[] = []
    const made = await namespaces.ensure(user('Ünï/ code'), (change) => noted.push(change))
    t.same(made, { name: namespaceName('Ünï/ code', 'rexec-'), owner: 'Ünï/ code' })
    const { metadata } = await read(made.name)
    t.match(metadata!.labels, { ...OWNED, team: 'science' })
    t.match(metadata!.labels, {
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/enforce-version': 'latest',
      'pod-security.kubernetes.io/warn': 'restricted',
      'pod-security.kubernetes.io/audit': 'restricted',
      'rexec.dev/owner-hash': /^[0-9a-f]{40}$/,
    })
    t.equal(metadata!.annotations!['rexec.dev/owner'], 'Ünï/ code')
    await namespaces.ensure(user('Ünï/ code'), (change) => noted.push(change))
    t.same(noted, [{ action: 'namespace.make', namespace: made.name }], 'said once')
    const again = (await read(made.name)).metadata!
    t.equal(again.uid, metadata!.uid)
    const api = testApi(t, server.kubeconfig)
    const reading = { ...api, apply: async () => t.fail('it was written although nothing has changed') }
    await createNamespaces(reading as unknown as Api, settings).ensure(user('Ünï/ code'))
    const { resourceVersion } = (await read(made.name)).metadata!
    t.equal(resourceVersion, again.resourceVersion)
  })

  t.test('labels that somebody has changed are put back; those of others stay', async (t) => {
    const namespaces = named(t, { namespaces: { labels: { team: 'science' } } })
    const { name } = await namespaces.ensure(user('carol'))
    const psa = 'pod-security.kubernetes.io/enforce'
    const changes = [`${psa}=privileged`, `${psa}-version=v1.20`, 'team=none', 'billing=a1']
    await server.kubectl('label', '--overwrite', 'namespace', name, ...changes)
    const noted: NamespaceChange[] = []
    await namespaces.ensure(user('carol'), (change) => noted.push(change))
    t.same(noted, [{ action: 'namespace.restore', namespace: name, object: 'Namespace' }])
    const { labels } = (await read(name)).metadata!
    t.match(labels, { [psa]: 'restricted', [`${psa}-version`]: 'latest', team: 'science', billing: 'a1' })
    await named(t).ensure(user('carol'))
    t.notHas((await read(name)).metadata!.labels, { team: 'science' }, 'no longer set: taken away')
  })

  const foreign: Record<string, object> = {
    'no labels at all': {},
    'our labels, but nobody as owner': { labels: OWNED },
    'the annotation alone': { annotations: { 'rexec.dev/owner': 'alice' } },
    'labels of another user': {
      labels: { ...OWNED, 'rexec.dev/owner-hash': BOBS },
      annotations: { 'rexec.dev/owner': 'alice' },
    },
    'the annotation of another user': {
      labels: { ...OWNED, 'rexec.dev/owner-hash': HASH },
      annotations: { 'rexec.dev/owner': 'bob' },
    },
    'the annotation in other case': {
      labels: { ...OWNED, 'rexec.dev/owner-hash': HASH },
      annotations: { 'rexec.dev/owner': 'Alice' },
    },
    'another installation': {
      labels: { ...OWNED, 'app.kubernetes.io/instance': 'lab', 'rexec.dev/owner-hash': HASH },
      annotations: { 'rexec.dev/owner': 'alice' },
    },
    'another tool': {
      labels: { ...OWNED, 'app.kubernetes.io/managed-by': 'Helm', 'rexec.dev/owner-hash': HASH },
      annotations: { 'rexec.dev/owner': 'alice' },
    },
  }
  for (const [index, [what, metadata]] of Object.entries(foreign).entries()) {
    t.test(`a namespace is squatted beforehand: ${what}`, async (t) => {
      const prefix = `s${index}-`
      const name = namespaceName('alice', prefix)
      await server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...metadata } })
      await untilSettled(server, name)
      const before = await read(name)
      const namespaces = named(t, { namespaces: { prefix } })
      await t.rejects(namespaces.ensure(user('alice')), { code: 'namespace_not_owned' })
      t.same(await read(name), before, 'untouched')
    })
  }

  t.test('one that is being deleted is waited for, and made anew', async (t) => {
    const namespaces = named(t, { namespaces: { deletionSeconds: 60 } })
    const { name } = await namespaces.ensure(user('dave'))
    const { uid } = (await read(name)).metadata!
    const release = await heldNamespace(server, name)
    await server.kubectl('delete', 'namespace', name, '--wait=false')
    const again = namespaces.ensure(user('dave'))
    await release()
    t.same(await again, { name, owner: 'dave' })
    t.not((await read(name)).metadata!.uid, uid)
  })

  t.test('one whose deletion does not end is refused, and stays untouched', async (t) => {
    const namespaces = named(t, { namespaces: { deletionSeconds: 0 } })
    const { name } = await namespaces.ensure(user('erin'))
    const release = await heldNamespace(server, name)
    await server.kubectl('delete', 'namespace', name, '--wait=false')
    await server.kubectl(
      'wait',
      '--for=jsonpath={.status.phase}=Terminating',
      `namespace/${name}`,
      '--timeout=120s',
    )
    const refusal = { code: 'namespace_not_ready', message: /being deleted/ }
    await t.rejects(namespaces.ensure(user('erin')), refusal)
    await release()
  })

  t.test('many at once make one', async (t) => {
    const proxies = [named(t), named(t), named(t)]
    const all = await Promise.all(
      Array.from({ length: 12 }, (_, index) => proxies[index % 3]!.ensure(user('frank'))),
    )
    t.equal(new Set(all.map(({ name }) => name)).size, 1)
  })

  t.test('mode given', async (t) => {
    const given = { alice: 'team-a', bob: 'team-b', carol: 'rexec' }
    const settings = { namespaces: { mode: 'given', given } }
    const namespaces = named(t, settings)
    const metadata = (labels: object) => ({ labels, annotations: { 'rexec.dev/owner': 'alice' } })
    const owned = { ...OWNED, 'rexec.dev/owner-hash': HASH }
    const put = (labels: object) =>
      server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'team-a', ...metadata(labels) } })

    t.throws(() => namespaces.nameOf('mallory'), { code: 'namespace_missing' })
    t.throws(() => namespaces.nameOf('Alice'), { code: 'namespace_missing' }, 'names are exact')
    t.throws(() => namespaces.nameOf('__proto__'), { code: 'namespace_missing' })
    t.throws(() => namespaces.nameOf('constructor'), { code: 'namespace_missing' })
    t.throws(() => namespaces.nameOf('carol'), { code: 'namespace_not_owned' }, 'never the release namespace')
    await t.rejects(namespaces.ensure(user('alice')), {
      code: 'namespace_not_ready',
      message: /"team-a" does not exist yet/,
    })
    await put({})
    await t.rejects(namespaces.ensure(user('alice')), {
      code: 'namespace_not_owned',
      message: /lacks what proves it: label app.kubernetes.io\/managed-by, .*label rexec.dev\/owner-hash\./,
    })
    await put(owned)
    await t.rejects(namespaces.ensure(user('alice')), {
      code: 'namespace_not_ready',
      message: /lacks the label pod-security.kubernetes.io\/enforce=restricted/,
    })
    const psa = 'pod-security.kubernetes.io/enforce'
    await put({ ...owned, [psa]: 'restricted', [`${psa}-version`]: 'v1.22' })
    await t.rejects(namespaces.ensure(user('alice')), { code: 'namespace_not_ready' }, 'an older standard')
    await put({ ...owned, [psa]: 'restricted' })
    await untilSettled(server, 'team-a')
    const before = await read('team-a')
    t.same(await namespaces.ensure(user('alice')), { name: 'team-a', owner: 'alice' })
    t.same(await read('team-a'), before, 'it is read, never written')

    await server.kubectl('create', 'serviceaccount', 'nothing', '-n', 'default')
    const kubeconfig = await server.kubeconfigFor({ serviceAccount: 'nothing', namespace: 'default' })
    const powerless = createNamespaces(testApi(t, kubeconfig), kubernetesSettings(settings))
    await t.rejects(powerless.ensure(user('alice')), {
      code: 'namespace_not_ready',
      message: /rexec may not read it/,
    })
  })
})

/** Its deletion does not end before what this gives is called. */
async function heldNamespace(
  { apply, kubectl }: ApiServer,
  namespace: string,
): Promise<() => Promise<unknown>> {
  const metadata = { name: 'held', namespace, finalizers: ['example.org/held'] }
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata })
  const patch = JSON.stringify({ metadata: { finalizers: null } })
  return () => kubectl('patch', 'configmap', 'held', '-n', namespace, '--type=merge', '-p', patch)
}
