import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kubectl } from './kubectl.ts'
import type { NodeCluster, Subject } from './node.ts'

/** Somebody's own cluster, for tests that could also have one of their own (docs/developer/cluster.md). */
export interface Given {
  kubeconfig: string
  images: NodeCluster['images']
  hostAddress: string
}

/** What the environment tells of one. @throws Error when it tells a part only */
export function givenCluster(env: NodeJS.ProcessEnv): Given | undefined {
  const { REXEC_TEST_KUBECONFIG, REXEC_TEST_IMAGES, REXEC_TEST_HOST_ADDRESS } = env
  if (!REXEC_TEST_KUBECONFIG) return undefined
  if (!REXEC_TEST_IMAGES || !REXEC_TEST_HOST_ADDRESS) {
    throw new Error(
      'REXEC_TEST_KUBECONFIG also needs REXEC_TEST_HOST_ADDRESS, an address of this machine that pods can reach, and REXEC_TEST_IMAGES, such as {"agent": "rexec:test", "pythons": {"3.13": "python:3.13"}}',
    )
  }
  return {
    kubeconfig: REXEC_TEST_KUBECONFIG,
    images: JSON.parse(REXEC_TEST_IMAGES),
    hostAddress: REXEC_TEST_HOST_ADDRESS,
  }
}

/** What is nobody's to stop and start is refused. */
export async function useCluster(
  { kubeconfig, images, hostAddress }: Given,
  indexUrl: string,
): Promise<NodeCluster> {
  const kubectl = new Kubectl('kubectl', kubeconfig)
  const config = JSON.parse(await kubectl.run('config', 'view', '--minify', '--raw', '--output=json'))
  const { items: nodes } = JSON.parse(await kubectl.run('get', 'nodes', '--output=json'))
  const addresses: { type: string; address: string }[] = nodes[0].status.addresses
  const refuse = async () => {
    throw new Error('only a cluster that the test has started can be stopped')
  }
  return {
    given: true,
    kubeconfig,
    url: config.clusters[0].cluster.server,
    kubectl: kubectl.run,
    apply: kubectl.apply,
    hostAddress,
    nodeAddress: addresses.find(({ type }) => type === 'InternalIP')!.address,
    podCidr: nodes[0].spec.podCIDR,
    images,
    indexUrl,
    logs: '',
    kubeconfigFor: (subject) => kubeconfigFor(subject, config, kubectl),
    stopKubelet: refuse,
    startKubelet: refuse,
    restartKubelet: refuse,
    restartApi: refuse,
    stop: async () => undefined,
  }
}

interface Kubeconfig {
  users: { name: string; user: Record<string, unknown> }[]
}

/** A service account's token; a user is impersonated, since only the cluster could make a certificate. */
async function kubeconfigFor(subject: Subject, config: Kubeconfig, kubectl: Kubectl): Promise<string> {
  const [{ name, user }] = config.users as [Kubeconfig['users'][0]]
  const other =
    'user' in subject
      ? { ...user, as: subject.user, 'as-groups': subject.groups ?? [] }
      : { token: await kubectl.token(subject) }
  const path = join(tmpdir(), `kubeconfig-${randomUUID()}`)
  await writeFile(path, JSON.stringify({ ...config, users: [{ name, user: other }] }), { mode: 0o600 })
  return path
}
