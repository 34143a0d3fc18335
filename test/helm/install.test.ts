import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type {
  KubernetesListObject,
  KubernetesObject,
  V1ConfigMap,
  V1EndpointSlice,
  V1Pod,
  V1Secret,
} from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import type { ApiServer } from '../cluster/api-server.ts'
import { CHART } from '../support/chart.ts'
import { clusterMissing, startCluster } from './cluster.ts'
import { openHelm } from './helm.ts'

const skip = (await clusterMissing()) ?? false
const NAMESPACE = 'hub'
const METRICS = 'app.kubernetes.io/component=metrics'
const MADE = ['rexec-broker-credential', 'rexec-hub-token', 'rexec-signing-key']

async function list<T extends KubernetesObject>(server: ApiServer, ...args: string[]): Promise<T[]> {
  const text = await server.kubectl('get', ...args, '--output=json')
  return (JSON.parse(text) as KubernetesListObject<T>).items
}

/** What the secrets of the release hold. */
async function secrets(server: ApiServer): Promise<Record<string, V1Secret['data']>> {
  const all = await list<V1Secret>(
    server,
    'secrets',
    `--namespace=${NAMESPACE}`,
    '--field-selector=type=Opaque',
  )
  return Object.fromEntries(all.map(({ metadata, data }) => [metadata!.name!, data]))
}

/** Kind, namespace and name of everything that there is, but for what other objects bring with them. */
async function everything(server: ApiServer): Promise<string[]> {
  const brought = /^(Pod|ReplicaSet|ControllerRevision|EndpointSlice|Endpoints|Secret\/\w*\/sh\.helm)/
  return [...(await server.listing()).keys()].filter((name) => !brought.test(name)).sort()
}

t.test('a release is installed, changed, taken back and removed', { skip }, async (t) => {
  const server = await startCluster(t, [NAMESPACE, 'other'])
  const [three, four] = await Promise.all(
    [3, 4].map((major) => openHelm(t, major as 3 | 4, server.kubeconfig)),
  )
  const inHub = ['--namespace', NAMESPACE]
  const before = await everything(server)
  let made: Awaited<ReturnType<typeof secrets>> = {}

  await t.test('installed by Helm 3: the secrets are made, and pods', async (t) => {
    const said = await three!.run(['install', 'rexec', CHART, ...inHub])
    made = await secrets(server)
    t.same(Object.keys(made).sort(), MADE)
    t.match(
      Buffer.from(made['rexec-signing-key']!['signing-key']!, 'base64').toString(),
      /^-----BEGIN PRIVATE KEY-----/,
    )
    for (const data of Object.values(made))
      for (const value of Object.values(data!)) t.notMatch(said, Buffer.from(value, 'base64').toString())
    // Controllers could not make them if the namespace's standard refused them.
    let pods: V1Pod[] = []
    while (pods.length < 4) {
      pods = await list<V1Pod>(server, 'pods', ...inHub)
    }
    t.same(pods.map(({ metadata }) => metadata!.labels!['app.kubernetes.io/component']).sort(), [
      'broker',
      'broker',
      'proxy',
      'proxy',
    ])
  })

  const change = { proxy: { replicas: 3, config: { limits: { serversPerUser: 7 } } } }
  await t.test('changed by Helm 3, Helm 4 and Helm 3 again: the secrets stay', async (t) => {
    for (const helm of [three!, four!, three!]) {
      await helm.run(['upgrade', 'rexec', CHART, ...inHub], change)
      t.same(await secrets(server), made, `Helm ${helm.major}`)
    }
    const settings = await server.kubectl('get', 'configmap', 'rexec-proxy', ...inHub, '--output=yaml')
    t.match(settings, '"serversPerUser": 7')
    const replicas = await server.kubectl(
      'get',
      'deployment',
      'rexec-proxy',
      ...inHub,
      '--output=jsonpath={.spec.replicas}',
    )
    t.equal(replicas, '3')
  })

  await t.test('taken back: the settings of the beginning, the same secrets', async (t) => {
    await four!.run(['rollback', 'rexec', '1', ...inHub])
    t.same(await secrets(server), made)
    const settings = await server.kubectl('get', 'configmap', 'rexec-proxy', ...inHub, '--output=yaml')
    t.notMatch(settings, 'serversPerUser')
  })

  await t.test('metrics of each pod are found at its own port', async (t) => {
    const metrics = { serviceMonitor: { enabled: true } }
    await four!.run(['upgrade', 'rexec', CHART, ...inHub], { metrics })
    const expected = ['broker metrics 9559', 'proxy metrics 10102']
    let found: string[] = []
    while (found.length < expected.length) {
      await giveAddresses(server)
      const slices = await list<V1EndpointSlice>(server, 'endpointslices', ...inHub, `--selector=${METRICS}`)
      const all = slices.flatMap(({ endpoints, ports }) =>
        (ports ?? []).flatMap(({ name, port }) =>
          (endpoints ?? []).map(({ targetRef }) => `${targetRef!.name!.split('-')[1]} ${name} ${port}`),
        ),
      )
      found = [...new Set(all)].sort()
    }
    t.same(found, expected)
    await four!.run(['rollback', 'rexec', '1', ...inHub])
  })

  await t.test('a mistyped value changes nothing', async (t) => {
    const before = await everything(server)
    await t.rejects(four!.run(['upgrade', 'rexec', CHART, ...inHub], { proxy: { replica: 9 } }), /'replica'/)
    t.same(await everything(server), before)
  })

  await t.test('two more: in the same namespace, and under the same name in another one', async (t) => {
    const alone = await everything(server)
    await four!.run(['install', 'second', CHART, ...inHub])
    await four!.run(['install', 'rexec', CHART, '--namespace', 'other'])
    t.same(
      (await everything(server)).filter((name) => alone.includes(name)),
      alone,
      'the first one has what it had',
    )
    const three = (await everything(server)).filter((name) => !before.includes(name))
    t.equal(three.length, 3 * alone.filter((name) => !before.includes(name)).length, 'each has as much')
    await t.test('each may make namespaces of its own users alone', (t) => confined(t, server))
    await four!.run(['uninstall', 'second', ...inHub])
    await four!.run(['uninstall', 'rexec', '--namespace', 'other'])
    t.same(await everything(server), alone)
  })

  await t.test('removed: nothing is left', async (t) => {
    await three!.run(['uninstall', 'rexec', ...inHub])
    t.same(await everything(server), before)
    t.same(await secrets(server), {})
  })
})

let addresses = 0

/** There is no kubelet that would say them. A pod may be replaced meanwhile. */
async function giveAddresses(server: ApiServer): Promise<void> {
  const inHub = `--namespace=${NAMESPACE}`
  for (const { metadata, status } of await list<V1Pod>(server, 'pods', inHub)) {
    if (status?.podIP) continue
    const ip = `192.0.2.${++addresses}`
    const patch = JSON.stringify({ status: { podIP: ip, podIPs: [{ ip }] } })
    await server
      .kubectl('patch', 'pod', metadata!.name!, inHub, '--type=merge', '--subresource=status', '-p', patch)
      .catch((error: Error) => {
        if (!error.message.includes('NotFound')) throw error
      })
  }
}

/** What the account of each release may do with namespaces of its own users and of others'. */
async function confined(t: Test, server: ApiServer): Promise<void> {
  const releases = await Promise.all(
    [
      [NAMESPACE, 'rexec-proxy'],
      [NAMESPACE, 'second-rexec-proxy'],
      ['other', 'rexec-proxy'],
    ].map(async ([namespace, name]) => {
      const text = await server.kubectl(
        'get',
        'configmap',
        name!,
        `--namespace=${namespace}`,
        '--output=json',
      )
      const { cluster } = parse((JSON.parse(text) as V1ConfigMap).data!['proxy.yaml']!)
      return { account: `system:serviceaccount:${namespace}:${name}`, ...cluster.kubernetes }
    }),
  )
  const file = join(server.folder, 'namespace.json')
  const mayMake = async (account: string, { instance, namespaces }: (typeof releases)[number]) => {
    await writeFile(file, JSON.stringify(namespaceOf(instance, `${namespaces.prefix}alice`)))
    return server.kubectl('create', '--dry-run=server', `--as=${account}`, '-f', file).then(
      () => true,
      (error: Error) =>
        !error.message.includes('denied request: rexec may write only namespaces') && t.fail(error),
    )
  }
  for (const one of releases) {
    // A policy is heard of a moment after it has been made.
    for (const other of releases) while (other !== one && (await mayMake(one.account, other)));
    t.equal(await mayMake(one.account, one), true, one.account)
  }
}

/** As the proxy makes it. */
function namespaceOf(instance: string, name: string): object {
  const labels = {
    'app.kubernetes.io/managed-by': 'rexec',
    'app.kubernetes.io/instance': instance,
    'rexec.dev/owner-hash': 'hash',
    'pod-security.kubernetes.io/enforce': 'restricted',
    'pod-security.kubernetes.io/enforce-version': 'latest',
  }
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels, annotations: { 'rexec.dev/owner': 'alice' } },
  }
}
