/**
 * What the proxy's service account may and may not do by RBAC, in both modes. Each line is asked of a real API server in
 * rbac.test.ts, and the table in docs/admin/rbac.md is compared with it.
 */
export interface Right {
  verbs: string[]
  /** RESOURCE or RESOURCE/SUBRESOURCE, with .GROUP unless it is the core one. */
  resource: string
  /** In mode "cluster"; in mode "namespaces" within a namespace that was given. */
  cluster: boolean
  given: boolean
}

const may = (verbs: string, ...resources: string[]) => rights(true, true, verbs, resources)
const mayNot = (verbs: string, ...resources: string[]) => rights(false, false, verbs, resources)

function rights(cluster: boolean, given: boolean, verbs: string, resources: string[]): Right[] {
  return resources.map((resource) => ({ verbs: verbs.split(' '), resource, cluster, given }))
}

/** Within one namespace: in mode "cluster" in any (the admission policies say which), else in the given ones alone. */
export const inNamespaces: Right[] = [
  ...may('get list watch create patch delete', 'jobs.batch'),
  ...may('update', 'jobs/finalizers.batch'),
  ...mayNot('update deletecollection', 'jobs.batch'),
  ...mayNot('patch update', 'jobs/status.batch'),
  ...may('get list watch', 'pods'),
  ...mayNot('create update patch delete deletecollection', 'pods'),
  ...may('get', 'pods/log'),
  ...mayNot('get create', 'pods/exec', 'pods/attach', 'pods/portforward', 'pods/proxy'),
  ...mayNot(
    'create update patch',
    'pods/ephemeralcontainers',
    'pods/binding',
    'pods/eviction',
    'pods/status',
  ),
  ...may('list watch', 'events'),
  ...mayNot('create patch delete', 'events'),
  ...may('create patch delete', 'secrets', 'resourcequotas', 'networkpolicies.networking.k8s.io'),
  ...may('create patch', 'serviceaccounts', 'limitranges'),
  ...mayNot('delete', 'serviceaccounts', 'limitranges'),
  ...mayNot(
    'get list watch update deletecollection',
    'secrets',
    'serviceaccounts',
    'resourcequotas',
    'limitranges',
    'networkpolicies.networking.k8s.io',
  ),
  ...mayNot('create', 'serviceaccounts/token'),
  ...mayNot('impersonate', 'serviceaccounts'),
  ...mayNot(
    'get list create patch delete',
    'configmaps',
    'services',
    'persistentvolumeclaims',
    'cronjobs.batch',
    'deployments.apps',
    'daemonsets.apps',
    'statefulsets.apps',
    'leases.coordination.k8s.io',
    'ingresses.networking.k8s.io',
  ),
  ...mayNot('get create', 'services/proxy'),
  ...mayNot('get create update patch delete bind escalate', 'roles.rbac.authorization.k8s.io'),
  ...mayNot('get create update patch delete', 'rolebindings.rbac.authorization.k8s.io'),
  ...may('get', 'namespaces'),
  ...rights(true, false, 'patch delete', ['namespaces']),
  ...mayNot('update', 'namespaces', 'namespaces/finalize'),
]

/** Of the whole cluster. */
export const clusterWide: Right[] = [
  ...rights(true, false, 'get list watch create patch delete', ['namespaces']),
  ...rights(true, false, 'list watch', ['jobs.batch', 'pods', 'events']),
  ...mayNot('list watch', 'secrets', 'serviceaccounts', 'configmaps'),
  ...mayNot('get list watch patch delete', 'nodes', 'persistentvolumes'),
  ...mayNot('get create', 'nodes/proxy'),
  ...mayNot(
    'get create patch delete bind escalate',
    'clusterroles.rbac.authorization.k8s.io',
    'roles.rbac.authorization.k8s.io',
  ),
  ...mayNot(
    'get create patch delete',
    'clusterrolebindings.rbac.authorization.k8s.io',
    'validatingadmissionpolicies.admissionregistration.k8s.io',
    'validatingadmissionpolicybindings.admissionregistration.k8s.io',
    'validatingwebhookconfigurations.admissionregistration.k8s.io',
    'mutatingwebhookconfigurations.admissionregistration.k8s.io',
    'customresourcedefinitions.apiextensions.k8s.io',
    'apiservices.apiregistration.k8s.io',
    'priorityclasses.scheduling.k8s.io',
    'runtimeclasses.node.k8s.io',
    'storageclasses.storage.k8s.io',
  ),
  ...mayNot('create', 'certificatesigningrequests.certificates.k8s.io'),
  ...mayNot('approve sign', 'signers.certificates.k8s.io'),
  ...mayNot('impersonate', 'users', 'groups', 'userextras.authentication.k8s.io'),
  // The value rbac.tokenReview gives it, for the authenticator "kubernetes".
  ...mayNot('create', 'tokenreviews.authentication.k8s.io', 'subjectaccessreviews.authorization.k8s.io'),
]

/** The rows of docs/admin/rbac.md. */
export function rightsTable(): string {
  const row = ({ verbs, resource, cluster, given }: Right) =>
    `| ${resource} | ${verbs.join(', ')} | ${cluster ? 'yes' : 'no'} | ${given ? 'yes' : 'no'} |`
  const head = (where: string) => [
    `| ${where} | verbs | mode cluster | mode namespaces |`,
    '| --- | --- | --- | --- |',
  ]
  const table = (where: string, rights: Right[]) => [...head(where), ...rights.map(row)].join('\n')
  return `${table('in a namespace', inNamespaces)}\n\n${table('in the whole cluster', clusterWide)}\n`
}
