import type { V1Secret } from '@kubernetes/client-node'
import { RexecError } from '../../../common/errors.ts'
import type { Api } from './api.ts'
import { isNotFound } from './api-error.ts'
import { ownLabels } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** Other types, such as tokens of service accounts, are never copied to where users can read them. */
const TYPES = ['kubernetes.io/dockerconfigjson', 'kubernetes.io/dockercfg']

/** The secrets of the release namespace that images are pulled with, read anew. @throws cluster_unavailable */
export function readPullSecrets(
  api: Api,
  { imagePullSecrets, releaseNamespace }: KubernetesSettings,
): Promise<V1Secret[]> {
  return Promise.all(
    imagePullSecrets.map(async (name) => {
      const secret = await api.core
        .readNamespacedSecret({ name, namespace: releaseNamespace })
        .catch((error) => {
          if (!isNotFound(error)) throw error
          throw unusable(name, 'is missing', error)
        })
      if (!TYPES.includes(secret.type ?? '')) throw unusable(name, `has the type ${secret.type}`)
      return secret
    }),
  )
}

/** Users are told no more than that it is not their fault. */
function unusable(name: string, why: string, cause?: unknown): RexecError {
  const problem = new Error(`imagePullSecrets: the Secret "${name}" of the release namespace ${why}`, {
    cause,
  })
  return new RexecError('cluster_unavailable', 'What images are pulled with cannot be read.', {
    cause: problem,
  })
}

/** The same secret in a user's namespace. Without a secret: what names the copy. */
export function copyOf(
  name: string,
  namespace: string,
  instance: string,
  { type, data = {} }: V1Secret = {},
): V1Secret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, labels: ownLabels(instance) },
    ...(type !== undefined && { type, data }),
  }
}
