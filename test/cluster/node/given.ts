import { GivenApiServer } from '../given-api-server.ts'
import type { NodeCluster } from './node.ts'

/** Somebody's own cluster, such as kind or minikube, instead of one that is started (docs/developer/cluster.md). */
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
      'pods on REXEC_TEST_KUBECONFIG also need REXEC_TEST_HOST_ADDRESS, an address of this machine that they can reach, and REXEC_TEST_IMAGES, such as {"agent": "rexec:test", "pythons": {"3.13": "python:3.13"}}',
    )
  }
  return {
    kubeconfig: REXEC_TEST_KUBECONFIG,
    images: JSON.parse(REXEC_TEST_IMAGES),
    hostAddress: REXEC_TEST_HOST_ADDRESS,
  }
}

/** It cannot be stopped, nor parts of it. @param indexUrl of a package index on the host's address */
export async function useCluster(
  { kubeconfig, images, hostAddress }: Given,
  indexUrl: string,
): Promise<NodeCluster> {
  const server = await GivenApiServer.connect(kubeconfig)
  const { items: nodes } = JSON.parse(await server.kubectl('get', 'nodes', '--output=json'))
  const addresses: { type: string; address: string }[] = nodes[0].status.addresses
  const refuse = () => Promise.reject(new Error('somebody else uses this cluster: not stopped'))
  return {
    given: true,
    kubeconfig: server.kubeconfig,
    url: server.url,
    kubectl: server.kubectl,
    apply: server.apply,
    hostAddress,
    nodeAddress: addresses.find(({ type }) => type === 'InternalIP')!.address,
    podCidr: nodes[0].spec.podCIDR,
    images,
    indexUrl,
    logs: server.folder,
    kubeconfigFor: server.kubeconfigFor,
    stopKubelet: refuse,
    startKubelet: refuse,
    restartKubelet: refuse,
    restartApi: refuse,
    stop: server.stop,
  }
}
