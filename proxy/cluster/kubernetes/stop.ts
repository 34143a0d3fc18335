import { RexecError } from '../../../common/errors.ts'
import type { Api } from './api.ts'
import { asRexecError, isConflict, isNotFound } from './api-error.ts'
import { OWNER, objectName } from './names.ts'
import { isOurs } from './own-object.ts'
import type { KubernetesSettings } from './settings.ts'
import type { ServerStore } from './store.ts'

/** What Kubernetes takes within a name; nothing else is asked for. */
const NAME = /^[a-z0-9-]{1,63}$/

/**
 * Deletes a server with all that belongs to it, and resolves when its name is free.
 * @throws server_not_found; cluster_unavailable when it does not end in time
 */
export type Stop = (namespace: string, owner: string, name: string) => Promise<void>

export function createStop(
  api: Api,
  store: Pick<ServerStore, 'gone' | 'ownerOf'>,
  {
    instance,
    drainSeconds,
    stopSeconds,
  }: Pick<KubernetesSettings, 'instance' | 'drainSeconds' | 'stopSeconds'>,
): Stop {
  return async (namespace, owner, name) => {
    if (store.ownerOf(namespace) !== owner || !NAME.test(name)) throw new RexecError('server_not_found')
    try {
      // Another proxy may have started it a moment ago, so the store is not asked.
      const job = await api.batch.readNamespacedJob({ name: objectName(name), namespace })
      const { uid, annotations } = job.metadata!
      if (!isOurs(job, instance) || annotations?.[OWNER] !== owner) throw new RexecError('server_not_found')
      await api.remove({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: objectName(name), namespace, uid: uid! },
      })
      await store.gone(namespace, uid!, AbortSignal.timeout((drainSeconds + stopSeconds) * 1000))
    } catch (error) {
      // Deleted by somebody else, and perhaps started again since.
      if (isNotFound(error) || isConflict(error)) throw new RexecError('server_not_found')
      if ((error as Error).name !== 'TimeoutError') throw asRexecError(error)
      throw new RexecError('cluster_unavailable', 'The server was told to stop but has not ended yet.')
    }
  }
}
