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

  async function isAllowed([verb, group, resource]: Right): Promise<boolean> {
    const { status } = await api.authorization.createSelfSubjectAccessReview({
      body: {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb, group, resource, ...(namespace && { namespace }) } },
      },
    })
    return status?.allowed === true
  }

  return async () => {
    // One is asked for each time: it shows that the API server answers and knows us.
    const asked = performance.now() < goodUntil ? needed.slice(0, 1) : needed
    const allowed = await Promise.all(asked.map(isAllowed))
    const missing = asked
      .filter((_, index) => !allowed[index])
      .map(([verb, group, resource]) => `${verb} ${group ? `${resource}.${group}` : resource}`)
    if (missing.length > 0) goodUntil = 0
    else if (asked === needed) goodUntil = performance.now() + REMEMBER_MS
    return missing
  }
}
