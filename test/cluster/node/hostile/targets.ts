import { once } from 'node:events'
import { connect } from 'node:net'
import { createSigner, generateSigningKey, type Signer } from '../../../../common/tokens.ts'
import { ownerHash } from '../../../../proxy/cluster/kubernetes/names.ts'
import type { KubernetesService } from '../../../support/kubernetes-service.ts'
import type { NodeCluster } from '../node.ts'
import type { Targets } from './attack.ts'

/** What an attacker might know, and it is there: whoever is not kept away by a policy reaches it. */
export async function lookAround(
  { cluster, ...service }: KubernetesService,
  { pod, udp }: { pod: string; udp: number },
): Promise<Targets> {
  const namespaces = { alice: await namespaceOf(cluster, 'alice'), bob: await namespaceOf(cluster, 'bob') }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: namespaces.alice },
    spec: {
      selector: { 'rexec.dev/owner-hash': ownerHash('alice') },
      ports: [{ port: 80, targetPort: 8000 }],
    },
  })
  const jsonpath = (path: string) => `--output=jsonpath=${path}`
  const get = (...args: string[]) => cluster.kubectl('get', ...args)
  const secret = await get('secret', 'rexec-default', '-n', namespaces.bob, jsonpath('{.data.credential}'))
  const portOf = (url: string) => Number(new URL(url).port)
  const address = (url: string): [string, number] => [new URL(url).hostname, portOf(url)]
  const targets: Targets = {
    host: cluster.hostAddress,
    node: cluster.nodeAddress,
    api: address(cluster.url),
    index: address(cluster.indexUrl),
    proxyPort: portOf(service.url),
    clientPort: portOf(service.broker.client),
    serverPort: portOf(service.broker.server),
    adminPort: portOf(service.broker.admin),
    hostUdp: udp,
    pod,
    service: await get('service', 'web', '-n', namespaces.alice, jsonpath('{.spec.clusterIP}')),
    serviceName: `web.${namespaces.alice}.svc.cluster.local`,
    own: Buffer.from(secret, 'base64').toString(),
    forged: await forge(service.signer, Buffer.from(secret, 'base64').toString()),
  }
  for (const [host, port] of [
    targets.api,
    [targets.node, 10250],
    [targets.host, targets.proxyPort],
    [targets.host, targets.clientPort],
  ] as const)
    await answers(host, port)
  return targets
}

export async function namespaceOf(cluster: NodeCluster, user: string): Promise<string> {
  const selector = `--selector=rexec.dev/owner-hash=${ownerHash(user)}`
  return cluster.kubectl('get', 'namespace', selector, '--output=jsonpath={.items[0].metadata.name}')
}

/** Server credentials of alice's that are none, and things that look like one. */
async function forge(signer: Signer, own: string): Promise<Record<string, string>> {
  const alice = { user: 'alice', server: 'default' }
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const [head, body, signature] = own.split('.') as [string, string, string]
  const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), sub: 'alice' }
  const stranger = await createSigner(await generateSigningKey())
  return {
    'no algorithm': `${encode({ alg: 'none', typ: 'rexec-server+jwt' })}.${encode(claims)}.`,
    "another's key": (await stranger.sign('server', alice, 3600)).token,
    'another user': `${head}.${encode(claims)}.${signature}`,
    expired: (await signer.sign('server', alice, -60)).token,
    'an exec token': (await signer.sign('exec', alice, 3600)).token,
    empty: '',
    long: 'x'.repeat(100_000),
  }
}

/** Rejects when nobody listens there. */
async function answers(host: string, port: number): Promise<void> {
  const socket = connect(port, host)
  await once(socket, 'connect')
  socket.destroy()
}
