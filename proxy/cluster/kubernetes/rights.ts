import type { Api } from './api.ts'
import type { KubernetesSettings } from './settings.ts'

/** How long an answer is relied on; that a right is missing is asked again each time. */
const REMEMBER_MS = 300_000

type Right = [verb: string, group: string, resource: string]

const NEEDED: Right[] = [
  ['create', 'batch', 'jobs'],
  ['patch', 'batch', 'jobs'],
  ['delete', 'batch', 'jobs'],
  ['watch', 'batch', 'jobs'],
  ['watch', '', 'pods'],
  ['watch', '', 'events'],
  ['create', '', 'secrets'],
  ['patch', '', 'serviceaccounts'],
  ['patch', '', 'limitranges'],
  ['patch', '', 'resourcequotas'],
  ['patch', 'networking.k8s.io', 'networkpolicies'],
]
const NEEDED_TO_MAKE_NAMESPACES: Right[] = [
  ['create', '', 'namespaces'],
  ['patch', '', 'namespaces'],
  ['watch', '', 'namespaces'],
]

/** @returns the rights that the own account lacks, such as "create jobs.batch"; empty is good. @throws ApiError */
export type MissingRights = () => Promise<string[]>

/** Mode given: the rights in the first namespace stand for those in all. */
export function createMissingRights(
  api: Api,
  { namespaces: { mode, given } }: Pick<KubernetesSettings, 'namespaces'>,
): MissingRights {
  const namespace = mode === 'given' ? Object.values(given)[0] : undefined
  const needed = mode === 'given' ? NEEDED : [...NEEDED, ...NEEDED_TO_MAKE_NAMESPACES]
  let goodUntil = 0

  return async () => {
    // One is asked for each time: it shows that the API server answers and knows us.
    const asked = performance.now() < goodUntil ? needed.slice(0, 1) : needed
    const allowed = await Promise.all(asked.map((right) => isAllowed(api, right, namespace)))
    const missing = asked.filter((_, index) => !allowed[index]).map(nameOf)
    if (missing.length > 0) goodUntil = 0
    else if (asked === needed) goodUntil = performance.now() + REMEMBER_MS
    return missing
  }
}

/**
 * Rights that the proxy never needs and that would make it, or whoever takes it over, somebody else (docs/admin/rbac.md).
 */
const DANGEROUS: Right[] = [
  ['list', '', 'secrets'],
  ['create', '', 'pods'],
  ['create', '', 'pods/exec'],
  ['create', '', 'serviceaccounts/token'],
  ['impersonate', '', 'serviceaccounts'],
  ['impersonate', '', 'users'],
  ['get', '', 'nodes/proxy'],
  ['create', 'apps', 'daemonsets'],
  ['create', 'rbac.authorization.k8s.io', 'clusterrolebindings'],
  ['create', 'rbac.authorization.k8s.io', 'rolebindings'],
  ['escalate', 'rbac.authorization.k8s.io', 'clusterroles'],
  ['patch', 'admissionregistration.k8s.io', 'validatingadmissionpolicies'],
]

/** Which of the dangerous rights the own account has in the whole cluster; empty is good. @throws ApiError */
export async function excessRights(api: Pick<Api, 'authorization'>): Promise<string[]> {
  const allowed = await Promise.all(DANGEROUS.map((right) => isAllowed(api, right)))
  return DANGEROUS.filter((_, index) => allowed[index]).map(nameOf)
}

/** In one namespace, or in all of them. */
async function isAllowed(
  api: Pick<Api, 'authorization'>,
  [verb, group, resource]: Right,
  namespace?: string,
): Promise<boolean> {
  const [kind, subresource] = resource.split('/')
  const { status } = await api.authorization.createSelfSubjectAccessReview({
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          verb,
          group,
          resource: kind!,
          ...(subresource && { subresource }),
          ...(namespace && { namespace }),
        },
      },
    },
  })
  return status?.allowed === true
}

/** Such as "create jobs.batch". */
function nameOf([verb, group, resource]: Right): string {
  return `${verb} ${group ? `${resource}.${group}` : resource}`
}
