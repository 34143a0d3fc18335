import type { V1TokenReview } from '@kubernetes/client-node'
import type { ReviewToken } from '../../identity/kubernetes.ts'
import type { Api } from './api.ts'
import type { KubernetesSettings } from './settings.ts'

/**
 * Asks the API server whose token it is. It needs the right to create tokenreviews (value rbac.tokenReview of the chart).
 * Service accounts in the namespaces of users are nobody: whoever may make accounts in the own one would be any number
 * of users, each with a namespace and a quota.
 */
export function createTokenReview(
  api: Pick<Api, 'create'>,
  { namespaces: { mode, prefix, given } }: Pick<KubernetesSettings, 'namespaces'>,
): ReviewToken {
  const homes = new Set(Object.values(given))
  const isHome = (namespace: string) =>
    mode === 'made' ? namespace.startsWith(prefix) : homes.has(namespace)

  return async (token, audiences) => {
    const { status } = await api.create<V1TokenReview>({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      metadata: {},
      spec: { token, audiences: [...audiences] },
    })
    if (status?.authenticated !== true) return undefined
    // An authenticator that knows nothing of audiences proves any token and leaves this empty.
    if (!status.audiences?.some((audience) => audiences.includes(audience))) return undefined
    const { username = '', groups = [] } = status.user ?? {}
    const namespace = /^system:serviceaccount:([^:]*):/.exec(username)?.[1]
    if (namespace !== undefined && isHome(namespace)) return undefined
    return { name: username, groups }
  }
}
