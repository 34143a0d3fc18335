import type { V1Job } from '@kubernetes/client-node'
import { isHeldByLostNodes } from './overdue.ts'
import type { KubernetesSettings } from './settings.ts'
import type { Verdict } from './status.ts'
import type { KnownServer } from './store.ts'

/**
 * What has to be done about a server: end its Job with this verdict, or clear it away, and why. node_lost: it is being
 * deleted, and held by pods that nobody can end now.
 */
export type Due =
  | { act: 'fail'; verdict: Verdict }
  | { act: 'clear'; why: 'interrupted' | 'expired' | 'node_lost' }

/** Beyond keepSeconds: Kubernetes itself clears away by then (ttlSecondsAfterFinished). */
const EXPIRED_MARGIN_MS = 60_000

const ENDS = ['Complete', 'Failed', 'FailureTarget']

/** Undefined for a server that is as it should be. From facts alone, so that all proxies find the same. */
export function dueFor(
  { job, pods, status, verdict }: KnownServer,
  { keepSeconds }: Pick<KubernetesSettings, 'keepSeconds'>,
  now: number,
): Due | undefined {
  if (job.metadata?.deletionTimestamp)
    return isHeldByLostNodes(pods, now) ? { act: 'clear', why: 'node_lost' } : undefined
  if (verdict) return { act: 'fail', verdict }
  // Judged by startSeconds in status.ts.
  if (job.spec?.suspend && status.code === 'start_interrupted') return { act: 'clear', why: 'interrupted' }
  const ended = endOf(job)
  const expired = ended !== undefined && now >= ended + keepSeconds * 1000 + EXPIRED_MARGIN_MS
  return expired ? { act: 'clear', why: 'expired' } : undefined
}

/**
 * Milliseconds since the epoch; undefined while it has not ended. A Job whose pods are on a node that does not answer comes
 * no further than FailureTarget.
 */
function endOf({ status }: V1Job): number | undefined {
  const ends = (status?.conditions ?? []).filter(
    ({ type, status }) => status === 'True' && ENDS.includes(type),
  )
  return ends[0]?.lastTransitionTime?.getTime()
}
