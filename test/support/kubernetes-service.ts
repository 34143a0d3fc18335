import type { Test } from 'tap'
import type { NodeCluster } from '../cluster/node/node.ts'
import { proxyRights } from './chart.ts'
import type { Connection } from './notebook.ts'
import { type SeparateService, startSeparateService } from './separate-service.ts'
import { ALICE, BOB, STATIC } from './test-app.ts'

/** As in the rights that the chart gives. */
const RELEASE = 'rexec'
const ACCOUNT = 'rexec-proxy'

export interface KubernetesService extends SeparateService {
  cluster: NodeCluster
  /** What a notebook of this user needs. */
  as(user: 'alice' | 'bob'): Connection
  /** GET of the API below /api/v1, or another method, as this user. */
  api<T>(user: 'alice' | 'bob', path: string, init?: { method?: string; json?: object }): Promise<T>
}

interface Options {
  /** Profiles; those of the default one if not given: a server on any Python of the cluster, small enough for the node. */
  profiles?: object[]
  /** Beside what reaches the cluster and its images. */
  kubernetes?: { network?: object; [section: string]: unknown }
  /** Settings of the broker. */
  broker?: object
}

/**
 * rexec as an admin installs it, its parts outside the cluster, where pods reach them at the host's address. The proxy has
 * the rights that the chart gives it and no others.
 */
export async function startKubernetesService(
  t: Test,
  cluster: NodeCluster,
  { profiles, kubernetes = {}, broker = {} }: Options = {},
): Promise<KubernetesService> {
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: RELEASE } })
  await cluster.apply(await proxyRights('account', 'cluster', 'policies', 'tokenReview'))
  const { hostname } = new URL(cluster.indexUrl)
  const service = await startSeparateService(t, {
    host: cluster.hostAddress,
    broker,
    proxy: {
      identity: STATIC,
      cluster: {
        kind: 'kubernetes',
        kubernetes: {
          kubeconfig: await cluster.kubeconfigFor({ serviceAccount: ACCOUNT, namespace: RELEASE }),
          releaseNamespace: RELEASE,
          agent: { image: cluster.images.agent, imagePullPolicy: 'IfNotPresent' },
          packageIndex: { url: cluster.indexUrl, trustedHosts: [hostname] },
          reconcileSeconds: 1,
          ...kubernetes,
          network: {
            brokers: [{ ipBlock: { cidr: `${cluster.hostAddress}/32` } }],
            egress: [
              {
                to: [{ ipBlock: { cidr: `${cluster.hostAddress}/32` } }],
                ports: [{ protocol: 'TCP', port: Number(new URL(cluster.indexUrl).port) }],
              },
            ],
            ...kubernetes.network,
          },
        },
      },
      securityModel: { profiles: profiles ?? [smallProfile(cluster)] },
    },
  })
  const url = `${service.url}/api/v1`
  return {
    ...service,
    cluster,
    as: (user) => ({ ...service, token: TOKENS[user] }),
    async api(user, path, { method = 'GET', json } = {}) {
      const answer = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${TOKENS[user]}`,
          ...(json !== undefined && { 'content-type': 'application/json' }),
        },
        ...(json !== undefined && { body: JSON.stringify(json) }),
      })
      const text = await answer.text()
      return text ? JSON.parse(text) : undefined
    },
  }
}

const TOKENS = { alice: ALICE, bob: BOB }

/** The node has two cores and other tests to run. */
export function smallProfile(cluster: NodeCluster, more: object = {}): object {
  return {
    name: 'small',
    pythons: cluster.images.pythons,
    cpu: { min: '50m', default: '500m', max: 1 },
    memory: { min: '64Mi', default: '256Mi', max: '1Gi' },
    replicas: { max: 3 },
    ...more,
    pod: { ephemeralStorage: '1Gi', ...(more as { pod?: object }).pod },
  }
}
