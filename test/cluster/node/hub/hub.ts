import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KubernetesObject } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { CLIENT } from '../../../../bin/client.ts'
import { type HubApi, hubApi } from '../../../hub/api.ts'
import { HUB_VERSIONS } from '../../../hub/hub.ts'
import type { Say } from '../../images/cached.ts'
import type { Image } from '../../images/oci.ts'
import { pythonImage } from '../../images/python.ts'
import type { NodeCluster } from '../node.ts'
import { type HubValues, merge } from './values.ts'

export const NAMESPACE = 'jhub'

/** A hub in the cluster, as test/hub/hub.ts has it on this machine. */
export interface ClusterHub extends HubApi {
  /** Where the test reaches it, with a slash at the end. */
  url: string
  apiUrl: string
}

/** What docs/user/quickstart.ipynb installs on its server. */
export const QUICKSTART_PACKAGES = ['humanize==4.17.0']

/** Hub, its proxy, and users' servers with the unmodified client. */
export function hubImage(say?: Say): Promise<Image> {
  const packages = [
    `jupyterhub==${HUB_VERSIONS[0]}`,
    'jupyterhub-kubespawner==7.1.0',
    'jupyter_server==2.21.1',
    'ipykernel==7.4.0',
    ...CLIENT,
  ]
  return pythonImage('jupyterhub', { packages, programs: ['configurable-http-proxy@5.3.0'] }, say)
}

const ADMIN_TOKEN = 'admin-of-the-tests-0123456789abcdef'

/** Beside what the values say: any password logs in, and the test is an administrator. */
const TESTS: HubValues = {
  hub: {
    config: {
      JupyterHub: { authenticator_class: 'dummy', load_groups: { science: { users: ['alice'] } } },
      Authenticator: { allowed_users: ['alice', 'bob'] },
    },
    services: { tests: { apiToken: ADMIN_TOKEN } },
    loadRoles: {
      tests: { scopes: ['admin:users', 'tokens', 'admin:servers', 'access:servers'], services: ['tests'] },
    },
  },
}

/** Installs the hub in the namespace jhub, and waits until it can be used. The cluster needs hubImage(). */
export async function installHub(cluster: NodeCluster, given: HubValues): Promise<ClusterHub> {
  const values = merge(TESTS, given)
  const secrets = Object.entries(values.hub!.services!).map(([name, { apiToken }]) => [
    `hub.services.${name}.apiToken`,
    apiToken ?? `made-for-${name}-0123456789abcdef`,
  ])
  const named = (kind: string, rest: object): KubernetesObject => ({
    apiVersion: 'v1',
    kind,
    metadata: { name: 'hub' },
    ...rest,
  })
  await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } })
  const objects = [
    named('ConfigMap', {
      data: {
        'jupyterhub_config.py': await readFile(join(import.meta.dirname, 'jupyterhub_config.py'), 'utf8'),
        'values.json': JSON.stringify(values),
      },
    }),
    named('Secret', {
      stringData: {
        ...Object.fromEntries(secrets),
        'hub.config.ConfigurableHTTPProxy.auth_token': 'proxy-of-the-tests-0123456789abcdef',
      },
    }),
    ...(await manifests(values)),
  ]
  await cluster.apply(objects.map((one) => ({ ...one, metadata: { ...one.metadata, namespace: NAMESPACE } })))
  for (const name of ['proxy', 'hub']) {
    await cluster.kubectl('-n', NAMESPACE, 'rollout', 'status', `deployment/${name}`, '--timeout=180s')
  }
  const port = await cluster.kubectl(
    ...['-n', NAMESPACE, 'get', 'service', 'proxy-public', '--output=jsonpath={.spec.ports[0].nodePort}'],
  )
  const url = `http://${cluster.nodeAddress}:${port}/`
  const apiUrl = `${url}hub/api`
  return { url, apiUrl, ...hubApi(apiUrl, ADMIN_TOKEN) }
}

interface NetworkPolicy extends KubernetesObject {
  spec: { ingress: { from?: { namespaceSelector?: object }[] }[]; egress: object[] }
}

/** jupyterhub.yaml with what the values add to its network policies. */
async function manifests({ hub, proxy, singleuser }: HubValues): Promise<KubernetesObject[]> {
  const text = await readFile(join(import.meta.dirname, 'jupyterhub.yaml'), 'utf8')
  const objects: KubernetesObject[] = parseAllDocuments(text).map((document) => document.toJS())
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy') as NetworkPolicy[]
  const policy = (name: string) => policies.find(({ metadata }) => metadata?.name === name)!.spec
  policy('hub').egress.push(...(hub?.networkPolicy?.egress ?? []))
  policy('proxy').egress.push(...(proxy?.chp?.networkPolicy?.egress ?? []))
  policy('singleuser').egress.push(...(singleuser?.networkPolicy?.egress ?? []))
  if (hub?.networkPolicy?.interNamespaceAccessLabels === 'accept') {
    for (const { from = [] } of policy('hub').ingress) for (const peer of from) peer.namespaceSelector = {}
  }
  return objects
}
