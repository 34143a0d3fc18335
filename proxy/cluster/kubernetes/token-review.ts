import type { V1TokenReview } from '@kubernetes/client-node'
import type { ReviewToken } from '../../identity/kubernetes.ts'
import type { Api } from './api.ts'

/** Asks the API server whose token it is. It needs the right to create tokenreviews (helm/rbac/token-review.yaml). */
export function createTokenReview(api: Pick<Api, 'create'>): ReviewToken {
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
    return { name: username, groups }
  }
}
