import type { Test } from 'tap'
import { Registry } from '../../common/metrics.ts'
import type { Cluster } from '../../proxy/cluster/cluster.ts'
import { type Api, connect } from '../../proxy/cluster/kubernetes/api.ts'
import { createKubernetesCluster, type KubernetesMeans } from '../../proxy/cluster/kubernetes/kubernetes.ts'
import type { KubernetesSettings } from '../../proxy/cluster/kubernetes/settings.ts'
import type { ServerRequest, ServerStatus, User } from '../../proxy/pipeline.ts'
import { approvedServer, kubernetesSettings } from './kubernetes.ts'
import { keptLog } from './log.ts'

export const BROKERS = ['tcp://rexec-broker.rexec:5560']

/** Connections to the API server that are closed after the test. */
export function testApi(t: Test, kubeconfig: string, requestSeconds = 10): Api {
  const api = connect({ kubeconfig, requestSeconds }, new Registry())
  t.teardown(() => api.close())
  return api
}

export interface TestCluster {
  cluster: Cluster & KubernetesMeans
  settings: KubernetesSettings
  log: ReturnType<typeof keptLog>
  /** Starts a server of the user with these wishes. */
  start(user: User, request?: ServerRequest): Promise<ServerStatus>
}

/** A cluster as a proxy of its own has it, ready unless told otherwise, and closed after the test. */
export async function testKubernetes(
  t: Test,
  kubeconfig: string,
  given: object = {},
  { ready = true } = {},
): Promise<TestCluster> {
  const log = keptLog()
  // Most kubeconfigs of tests are an administrator's.
  const settings = kubernetesSettings({ kubeconfig, requireConfinement: false, ...given })
  const cluster = await createKubernetesCluster({
    settings,
    brokers: BROKERS,
    logger: log.logger,
    registry: new Registry(),
  })
  t.teardown(() => cluster.close())
  if (ready) await untilReady(cluster)
  return {
    cluster,
    settings,
    log,
    async start(user, request) {
      const namespace = await cluster.ensureNamespace(user)
      const server = approvedServer(request, { user })
      return cluster.start(namespace, server, { credential: 'header.payload.signature' })
    },
  }
}

/** As a kubelet asks. */
export async function untilReady(cluster: Cluster): Promise<void> {
  for (;;) {
    try {
      return await cluster.check()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}
