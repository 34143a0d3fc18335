import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  keptEvent,
  keptJob,
  keptPod,
  keptPodEvent,
  type RawEvent,
} from '../../../../proxy/cluster/kubernetes/objects.ts'
import type { Observed } from '../../../../proxy/cluster/kubernetes/status.ts'

/** The defaults of the settings. */
export const bounds = {
  startSeconds: 60,
  unschedulableSeconds: 300,
  imagePullSeconds: 60,
  readySeconds: 1800,
}

/**
 * What a Kubernetes 1.35.4 said of a server in some trouble (files in recorded/, without the fields that nothing
 * reads), as it is known so many seconds after the Job was made.
 */
export function recorded(name: string, seconds = 30): Observed {
  const text = readFileSync(join(import.meta.dirname, 'recorded', `${name}.json`), 'utf8')
  const { job, pods, events } = JSON.parse(text)
  const kept = keptJob(job)
  return {
    job: kept,
    pods: pods.map(keptPod),
    events: events.flatMap((event: RawEvent) => keptEvent(event) ?? []),
    podEvents: events.flatMap((event: RawEvent) => keptPodEvent(event) ?? []),
    now: kept.metadata!.creationTimestamp!.getTime() + seconds * 1000,
  }
}
