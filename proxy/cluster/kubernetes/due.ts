import type { V1Job } from '@kubernetes/client-node'
import type { KubernetesSettings } from './settings.ts'
import type { Verdict } from './status.ts'
import type { KnownServer } from './store.ts'

/** What has to be done about a server: end its Job with this verdict, or clear it away, and why. */
export type Due = { act: 'fail'; verdict: Verdict } | { act: 'clear'; why: 'interrupted' | 'expired' }

/** Beyond keepSeconds: Kubernetes itself clears away by then (ttlSecondsAfterFinished). */
const EXPIRED_MARGIN_MS = 60_000

/** Undefined for a server that is as it should be. From facts alone, so that all proxies find the same. */
export function dueFor(
  { job, status, verdict }: KnownServer,
  { keepSeconds }: Pick<KubernetesSettings, 'keepSeconds'>,
  now: number,
): Due | undefined {
  if (job.metadata?.deletionTimestamp) return undefined
  if (verdict) return { act: 'fail', verdict }
  // Judged by startSeconds in status.ts.
  if (job.spec?.suspend && status.code === 'start_interrupted') return { act: 'clear', why: 'interrupted' }
  const ended = endOf(job)
  const expired = ended !== undefined && now >= ended + keepSeconds * 1000 + EXPIRED_MARGIN_MS
  return expired ? { act: 'clear', why: 'expired' } : undefined
}

/** Milliseconds since the epoch; undefined while it has not ended. */
function endOf({ status }: V1Job): number | undefined {
  const ends = (status?.conditions ?? []).filter(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  )
  return ends[0]?.lastTransitionTime?.getTime()
}
