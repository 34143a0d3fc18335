import { RexecError } from '../../../common/errors.ts'
import type { Api } from './api.ts'
import { asRexecError, isConflict, isNotFound } from './api-error.ts'
import { OWNER, objectName } from './names.ts'
import { isHeldByLostNodes } from './overdue.ts'
import { isOurs } from './own-object.ts'
import type { KubernetesSettings } from './settings.ts'
import type { ServerStore } from './store.ts'

/** What Kubernetes takes within a name; nothing else is asked for. */
const NAME = /^[a-z0-9-]{1,63}$/

/**
 * Deletes a server with all that belongs to it, and resolves when its name is free. Pods on nodes that do not answer are
 * not waited for beyond their grace period: Kubernetes ends them when it can, and their user can go on.
 * @throws server_not_found; cluster_unavailable when it does not end in time
 */
export type Stop = (namespace: string, owner: string, name: string) => Promise<void>

export function createStop(
  api: Api,
  store: ServerStore,
  {
    instance,
    drainSeconds,
    stopSeconds,
  }: Pick<KubernetesSettings, 'instance' | 'drainSeconds' | 'stopSeconds'>,
): Stop {
  /** Resolves when it is gone (true), or held by nodes that do not answer alone. */
  async function ended(namespace: string, name: string, uid: string, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      const job = store.job(namespace, name)
      if (job?.metadata?.uid !== uid) return true
      const isHeld = job.metadata.deletionTimestamp && isHeldByLostNodes(store.pods(job), Date.now())
      if (isHeld && store.deafSince() === undefined) return false
      signal.throwIfAborted()
      await store.changed(namespace, signal)
    }
  }

  return async (namespace, owner, name) => {
    if (store.ownerOf(namespace) !== owner || !NAME.test(name)) throw new RexecError('server_not_found')
    try {
      // Another proxy may have started it a moment ago, so the store is not asked.
      const job = await api.batch.readNamespacedJob({ name: objectName(name), namespace })
      const { uid, annotations } = job.metadata!
      if (!isOurs(job, instance) || annotations?.[OWNER] !== owner) throw new RexecError('server_not_found')
      const named = {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: objectName(name), namespace, uid: uid! },
      }
      await api.remove(named)
      const signal = AbortSignal.timeout((drainSeconds + stopSeconds) * 1000)
      if (await ended(namespace, name, uid!, signal)) return
      await api.remove(named, 'Background').catch((error) => {
        // The reconciler of some proxy was faster.
        if (!isNotFound(error) && !isConflict(error)) throw error
      })
      await store.gone(namespace, uid!, signal)
    } catch (error) {
      // Deleted by somebody else, and perhaps started again since.
      if (isNotFound(error) || isConflict(error)) throw new RexecError('server_not_found')
      if ((error as Error).name !== 'TimeoutError') throw asRexecError(error)
      throw new RexecError('cluster_unavailable', 'The server was told to stop but has not ended yet.')
    }
  }
}
