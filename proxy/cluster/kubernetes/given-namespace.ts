import { OWNER, OWNER_HASH, ownerHash, ownLabels } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

const API_GROUP = 'rbac.authorization.k8s.io'

/**
 * What the proxy may do in the namespace of a user: what the cluster role of the chart, which gives the reasons, allows it
 * in all of them, but for changing the namespace itself.
 */
const RULES: [apiGroup: string, resources: string[], verbs: string[]][] = [
  // Whose it is. A Role gives this for its own namespace alone; there is no list or watch of one namespace.
  ['', ['namespaces'], ['get']],
  ['batch', ['jobs'], ['get', 'list', 'watch', 'create', 'patch', 'delete']],
  ['batch', ['jobs/finalizers'], ['update']],
  ['', ['pods'], ['get', 'list', 'watch']],
  ['', ['events'], ['list', 'watch']],
  ['', ['pods/log'], ['get']],
  ['', ['secrets'], ['create', 'patch', 'delete']],
  ['', ['serviceaccounts', 'limitranges'], ['create', 'patch']],
  ['', ['resourcequotas'], ['create', 'patch', 'delete']],
  ['networking.k8s.io', ['networkpolicies'], ['create', 'patch', 'delete']],
]

/**
 * What an administrator applies to give a user a namespace in mode "given": the namespace with the proof of whose it is,
 * and the rights of the proxy in it. The proxy adds the rest at each start.
 */
export function givenNamespace(
  user: string,
  name: string,
  settings: Pick<KubernetesSettings, 'instance' | 'releaseNamespace'>,
  serviceAccount: string,
): object[] {
  const labels = ownLabels(settings.instance)
  const metadata = { name: serviceAccount, namespace: name, labels }
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name,
        labels: {
          ...labels,
          [OWNER_HASH]: ownerHash(user),
          'pod-security.kubernetes.io/enforce': 'restricted',
        },
        annotations: { [OWNER]: user },
      },
    },
    {
      apiVersion: `${API_GROUP}/v1`,
      kind: 'Role',
      metadata,
      rules: RULES.map(([apiGroup, resources, verbs]) => ({ apiGroups: [apiGroup], resources, verbs })),
    },
    {
      apiVersion: `${API_GROUP}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: API_GROUP, kind: 'Role', name: serviceAccount },
      subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace: settings.releaseNamespace }],
    },
  ]
}
