import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubernetesObject, V1PodSpec } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { HELM_MAJORS } from '../cluster/tools/helm.ts'
import { CHART, renderChart } from '../support/chart.ts'
import { clusterMissing, startCluster } from './cluster.ts'
import { openHelm } from './helm.ts'
import { EXISTING_SECRETS, RELEASES } from './releases.ts'

const skip = (await clusterMissing()) ?? false
const NAMESPACE = 'hub'
const LONG = 'n'.repeat(63)
const render = (values: object, major: 3 | 4 = 3, release = 'rexec', namespace = NAMESPACE) =>
  renderChart(values, { major, release, namespace })
const idOf = ({ kind, metadata }: KubernetesObject) =>
  `${kind}/${metadata?.namespace ?? ''}/${metadata?.name}`

/** All pods that objects make, with the name of the object. */
function podsOf(objects: KubernetesObject[]): [string, V1PodSpec][] {
  return objects.flatMap((object): [string, V1PodSpec][] => {
    const { spec, kind } = object as { kind?: string; spec?: { template?: { spec?: V1PodSpec } } & V1PodSpec }
    const pod = kind === 'Pod' ? spec : spec?.template?.spec
    return pod?.containers ? [[idOf(object), pod]] : []
  })
}

t.test('a real API server takes every object of every release', { skip }, async (t) => {
  const server = await startCluster(t, [NAMESPACE, LONG, 'users-alice', 'users-bob'])
  const file = join(server.folder, 'release.json')
  const dryRun = ['apply', '--dry-run=server', '--validate=strict', '--warnings-as-errors', '-f', file]

  const taken = async (t: Test, items: KubernetesObject[]) => {
    // A pod is taken only when its account is there.
    const accounts = items.filter(({ kind }) => kind === 'ServiceAccount')
    if (accounts.length > 0) await server.apply(accounts)
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    const said = await server.kubectl(...dryRun)
    t.equal(said.trim().split('\n').length, items.length, said)
  }

  for (const [name, values] of Object.entries(RELEASES))
    await t.test(name, async (t) => taken(t, await render(values)))

  await t.test('names that are long or have dots', async (t) => {
    await taken(t, await render(RELEASES.everything!, 3, 'r'.repeat(53), LONG))
    await taken(t, await render(RELEASES.everything!, 3, `${'r'.repeat(29)}.hub.example`))
  })

  await t.test('and notices what is wrong', async (t) => {
    const items = await render({})
    const deployment = items.find(({ kind }) => kind === 'Deployment')!
    const [, pod] = podsOf([deployment])[0]!
    await t.test('a field that there is not', async (t) => {
      Object.assign(pod, { nodeSelektor: {} })
      await writeFile(file, JSON.stringify(deployment))
      await t.rejects(server.kubectl(...dryRun), /unknown field "spec.template.spec.nodeSelektor"/)
    })
    await t.test('a pod with rights on its node', async (t) => {
      Object.assign(pod, { nodeSelektor: undefined, hostNetwork: true })
      await writeFile(file, JSON.stringify(deployment))
      await t.rejects(server.kubectl(...dryRun), /would violate PodSecurity "restricted/)
    })
  })
})

t.test('the chart has nothing that helm lint would find', { skip }, async (t) => {
  for (const major of HELM_MAJORS) {
    const helm = await openHelm(t, major)
    for (const values of [{}, RELEASES.everything!])
      t.match(await helm.run(['lint', '--strict', CHART], values), '0 chart(s) failed')
  }
})

t.test('Helm 3 and Helm 4 make the same, again and again', { skip }, async (t) => {
  const releases = Object.entries(RELEASES).map(
    ([name, values]) => [name, { ...values, ...secretsFor(values) }] as const,
  )
  for (const [name, values] of releases) {
    const [three, four] = await Promise.all(HELM_MAJORS.map((major) => render(values, major)))
    const byId = (objects: KubernetesObject[]) => new Map(objects.map((object) => [idOf(object), object]))
    t.same(byId(four!), byId(three!), name)
    t.notOk(
      three!.some(({ kind }) => kind === 'Secret'),
      `${name}: no secret is made`,
    )
  }
})

t.test('the packed chart has all that the folder has', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-chart-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const helm = await openHelm(t, 4)
  const said = await helm.run(['package', CHART, '--destination', folder])
  const [archive] = /\/\S+\.tgz/.exec(said)!
  const render = (chart: string) => helm.run(['template', 'rexec', chart], RELEASES.everything)
  t.equal(await render(archive), await render(CHART))
})

t.test('another chart may depend on it', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-chart-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dependency = {
    name: 'rexec',
    version: '>=0.0.0-0',
    repository: `file://${CHART}`,
    condition: 'rexec.enabled',
  }
  const parent = { apiVersion: 'v2', name: 'site', version: '1.0.0', dependencies: [dependency] }
  await writeFile(join(folder, 'Chart.yaml'), JSON.stringify(parent))
  const helm = await openHelm(t, 3)
  await helm.run(['dependency', 'update', folder])
  const render = (rexec: object) =>
    helm.run(['template', 'rexec', folder], {
      global: { site: 'here' },
      rexec: { ...RELEASES.everything, ...rexec },
    })
  const idsIn = (text: string) => parseAllDocuments(text).flatMap((document) => idOf(document.toJS() ?? {}))
  t.same(
    idsIn(await render({ enabled: true })).sort(),
    idsIn(await helm.run(['template', 'rexec', CHART], RELEASES.everything)).sort(),
  )
  t.same(idsIn(await render({ enabled: false })), [])
})

/** Those of the release, with existing secrets. */
function secretsFor(values: Record<string, unknown>) {
  return Object.fromEntries(
    Object.entries(EXISTING_SECRETS).map(([part, secrets]) => [
      part,
      { ...(values[part] as object), ...secrets },
    ]),
  )
}

t.test('only pods that ask Kubernetes something have a token for it', { skip }, async (t) => {
  const withToken = podsOf(await render(RELEASES.everything!))
    .filter(([, pod]) => pod.automountServiceAccountToken !== false)
    .map(([name]) => name)
  t.same(withToken.sort(), ['Deployment/hub/rexec-proxy', 'Job/hub/rexec-prepuller-hook'])
})

t.test('texts that YAML would read as something else stay what they are', { skip }, async (t) => {
  const audience = 'x\n              path: ../token'
  const objects = await render({
    proxy: {
      config: {
        identity: { authenticators: ['kubernetes'], kubernetes: { audiences: [audience] } },
        securityModel: { profiles: [{ name: '123' }, { name: 'true' }] },
      },
    },
    rbac: { tokenReview: true },
    prePuller: { continuous: { enabled: true } },
  })
  const pods = podsOf(objects)
  const volumes = pods.flatMap(([, { volumes = [] }]) =>
    volumes.flatMap(({ projected }) => projected?.sources ?? []),
  )
  t.same(
    volumes.flatMap(({ serviceAccountToken }) => serviceAccountToken ?? []),
    [{ audience, expirationSeconds: 3600, path: 'token' }],
  )
  const profiles = objects.filter(({ kind }) => kind === 'DaemonSet')
  t.same(
    profiles.map(({ metadata }) => metadata?.labels?.['rexec.dev/profile']),
    ['123', 'true'],
  )
})

t.test('every image is one that the values name', { skip }, async (t) => {
  const pods = podsOf(await render(RELEASES.everything!))
  t.ok(pods.length >= 6)
  const images = pods.flatMap(([, pod]) =>
    [...pod.containers, ...(pod.initContainers ?? [])].map(({ image }) => image),
  )
  t.same([...new Set(images)].sort(), [
    'mirror.example.org/rexec:1.2.3',
    'registry.example.org/cuda:12',
    'registry.example.org/pause:3.10',
    'registry.example.org/python:3.12',
    `registry.example.org/rexec@sha256:${'0'.repeat(64)}`,
    'registry.example.org/science:1',
  ])
  for (const [name, pod] of pods) {
    t.same(pod.imagePullSecrets, [{ name: 'pull' }], name)
    for (const { name: container, resources } of pod.containers)
      t.ok(resources?.requests?.memory && resources.limits?.memory, `${name}: ${container} is bounded`)
  }
})

t.test(
  'two releases share no name: beside one another or in namespaces of their own',
  { skip },
  async (t) => {
    const releases = await Promise.all([
      render(RELEASES.everything!, 3, 'one', NAMESPACE),
      render(RELEASES.everything!, 3, 'two', NAMESPACE),
      render(RELEASES.everything!, 3, 'one', 'other'),
      // Names that would be the same when joined.
      render(RELEASES.everything!, 3, 'c', 'a-b'),
      render(RELEASES.everything!, 3, 'b-c', 'a'),
    ])
    const ids = releases.flatMap((objects) => objects.map(idOf))
    const twice = ids.filter((id, at) => ids.indexOf(id) !== at)
    // The account of this release has a name of the admin's choice.
    t.same(twice, ['ServiceAccount/hub/account'])
  },
)
