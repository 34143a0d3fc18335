import type { V1Pod } from '@kubernetes/client-node'

/** Beyond the grace period, in milliseconds: kubelets are slower on a busy node. */
const LATE = 5000

/**
 * When a pod that is being deleted must have ended, in milliseconds since the epoch; later, nobody confirms that it has:
 * its node does not answer. Kubernetes keeps it, and what owns it, until the node comes back or is deleted.
 */
export function dueEnd({ metadata }: V1Pod): number | undefined {
  // The time of the deletion with the grace period added.
  const end = metadata?.deletionTimestamp?.getTime()
  return end === undefined ? undefined : end + LATE
}

/** Whether nothing of a Job that is being deleted is left but pods of nodes that do not answer. */
export function isHeldByLostNodes(pods: readonly V1Pod[], now: number): boolean {
  return pods.length > 0 && pods.every((pod) => now >= (dueEnd(pod) ?? Number.POSITIVE_INFINITY))
}
