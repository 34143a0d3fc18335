import type { V1Job, V1JobCondition, V1Pod } from '@kubernetes/client-node'
import { type ErrorCode, sentence } from '../../../common/errors.ts'
import type { ServerStatus } from '../../pipeline.ts'
import { knownCode } from '../agent-state.ts'
import { together } from '../phases.ts'
import { readDescription } from './description.ts'
import { COMPLETION_INDEX, DESCRIPTION, objectName, VERDICT } from './names.ts'
import type { JobEvent, PodEvent } from './objects.ts'
import { dueEnd } from './overdue.ts'
import { plain, plainSentence } from './plain.ts'
import { refusal } from './reasons.ts'
import { type Bounds, failed, patience, type ReplicaState, replicaState } from './replica.ts'

export interface Verdict {
  code: ErrorCode
  message: string
}

/**
 * Everything that is known of one server; `pods` and `events` are those of this very Job (by uid), `podEvents` of any pods
 * of its namespace.
 */
export interface Observed {
  job: V1Job
  pods: readonly V1Pod[]
  events: readonly JobEvent[]
  podEvents: readonly PodEvent[]
  /** Milliseconds since the epoch. */
  now: number
}

export interface Judgement extends ReplicaState {
  /** A failure that Kubernetes itself would go on trying to overcome: the Job must be ended. */
  verdict?: Verdict
}

/**
 * Quotas are counted anew a moment after a pod has ended, and the Job controller tries again after 1 and 3 seconds:
 * so long does a server that takes another's place wait, in milliseconds.
 */
const QUOTA_GRACE = 3000
/** The end of a Job may be known this long before the end of its pods, in milliseconds. */
const LAG = 3000
/** A Job with more is not ours; it costs no more than this. */
const MAX_REPLICAS = 1000
/** What a server is doing, or why it is not: from facts alone, so that all proxies say the same. */
export function judge(observed: Observed, bounds: Bounds): Judgement {
  const { job, now } = observed
  if (job.metadata?.deletionTimestamp) return beingStopped(observed)
  const verdict = readVerdict(job.metadata?.annotations?.[VERDICT])
  if (verdict) return { phase: 'failed', ...verdict }
  const over = conditionOf(job, 'Failed') ?? conditionOf(job, 'Complete')
  if (over) return ended(observed, over, bounds)
  const created = time(job.metadata?.creationTimestamp)
  if (job.spec?.suspend) {
    const until = created + bounds.startSeconds * 1000
    const state: ReplicaState = { phase: 'pending', message: 'It is being created.' }
    return patience({ code: 'start_interrupted', detail: '' }, state, until, now)
  }
  const ending = conditionOf(job, 'FailureTarget')
  if (ending?.reason === 'DeadlineExceeded')
    return { phase: 'stopping', message: lifetimeOver(job), code: 'server_stopping' }

  const state = ofReplicas(replicas(observed, bounds))
  const judgement = isStarting(state)
    ? inTime(state, time(job.status?.startTime) || created, now, bounds)
    : state
  if (judgement.phase !== 'failed' || ending || !canComeAlive(observed)) return judgement
  return { ...judgement, verdict: { code: judgement.code!, message: judgement.message } }
}

function beingStopped({ pods, now }: Observed): ReplicaState {
  const ends = pods.map((pod) => [pod, dueEnd(pod) ?? Number.POSITIVE_INFINITY] as const)
  const late = ends.find(([, end]) => now >= end)?.[0].spec?.nodeName
  const lookAt = Math.min(...ends.flatMap(([, end]) => (end > now ? end : [])))
  return {
    phase: 'stopping',
    code: 'server_stopping',
    message: late
      ? `It is being stopped, but its node ${plain(late, 253)} does not answer.`
      : 'It is being stopped.',
    ...(Number.isFinite(lookAt) && { lookAt }),
  }
}

/** As GET /api/v1/servers shows it. `user` is the proven owner of the namespace. */
export function toServerStatus(job: V1Job, { phase, message, code }: Judgement, user: string): ServerStatus {
  const description = readDescription(job.metadata?.annotations?.[DESCRIPTION])
  const { lifetimeSeconds = 0, ...about } = description ?? UNREADABLE
  const created = time(job.metadata?.creationTimestamp)
  const started = time(job.status?.startTime) || created
  return {
    name: serverName(job),
    user,
    phase,
    message,
    ...(code && { code }),
    ...about,
    createdAt: new Date(created).toISOString(),
    expiresAt: new Date(started + lifetimeSeconds * 1000).toISOString(),
  }
}

/** The name in a Job's own name, which is unique in its namespace; labels can be written anew. */
export function serverName(job: V1Job): string {
  return (job.metadata?.name ?? '').slice(objectName('').length)
}

/** Of a Job whose annotation somebody has changed; it equals no request, so it is never used again. */
const UNREADABLE = {
  profile: '',
  python: '',
  requirements: [],
  resources: { cpu: 0, memory: 0, gpu: 0 },
  replicas: 1,
  concurrency: 1,
  lifetimeSeconds: 0,
  environmentDigest: '',
  digest: '',
}

function ended(observed: Observed, over: V1JobCondition, bounds: Bounds): ReplicaState {
  const { job, pods, now } = observed
  if (over.reason === 'DeadlineExceeded') return { phase: 'stopped', message: lifetimeOver(job) }
  const state = ofReplicas(replicas(observed, bounds))
  if (state.phase === 'failed' || (state.phase === 'stopped' && over.type === 'Complete')) return state
  const until = time(over.lastTransitionTime) + LAG
  if (pods.some(isAlive) && now < until) return { phase: 'stopping', message: 'It is ending.', lookAt: until }
  if (over.type === 'Complete') return { phase: 'stopped', message: 'It has ended.' }
  const detail = plainSentence(over.message || 'Its pods have failed', 500)
  return failed({ code: 'server_failed', detail })
}

/** Whether some replica has not ended by itself: a pod that is not over, or that may yet be made. */
function canComeAlive({ job, pods }: Observed): boolean {
  const over = [...newestPods(pods).values()].filter((pod) => !isAlive(pod)).length
  return over < replicaCount(job)
}

function replicaCount({ spec }: V1Job): number {
  return Math.min(spec?.completions ?? 1, MAX_REPLICAS)
}

function replicas(observed: Observed, bounds: Bounds): ReplicaState[] {
  const { job, now } = observed
  const count = replicaCount(job)
  const newest = newestPods(observed.pods)
  const said = Map.groupBy(observed.podEvents, ({ pod }) => pod)
  const over = { failed: indexes(job.status?.failedIndexes), stopped: indexes(job.status?.completedIndexes) }
  // Once for all that have no pod: who may write Jobs and events in a namespace can make many of both.
  let missing: ReplicaState | undefined
  return Array.from({ length: count }, (_, index) => {
    const pod = newest.get(index)
    if (pod) return replicaState(pod, said.get(pod.metadata!.uid!) ?? [], now, bounds)
    if (over.failed(index))
      return failed({ code: 'server_failed', detail: 'Its pod has failed and is gone.' })
    if (over.stopped(index)) return { phase: 'stopped', message: 'It has ended.' }
    missing ??= withoutPod(observed, bounds)
    return missing
  })
}

/** The pod that counts for each index: the Job controller may have replaced one. */
export function newestPods(pods: readonly V1Pod[]): Map<number, V1Pod> {
  const newest = new Map<number, V1Pod>()
  for (const pod of pods) {
    const index = Number(pod.metadata?.annotations?.[COMPLETION_INDEX] ?? 0)
    const other = newest.get(index)
    const later = time(pod.metadata?.creationTimestamp) - time(other?.metadata?.creationTimestamp)
    if (!other || later > 0 || (later === 0 && isAlive(pod))) newest.set(index, pod)
  }
  return newest
}

function withoutPod({ job, pods, events, now }: Observed, bounds: Bounds): ReplicaState {
  const state: ReplicaState = { phase: 'pending', message: 'Its pod is being created.' }
  // Pods that exist but are not seen yet: then an older warning means nothing any more.
  const unseen = (job.status?.active ?? 0) > pods.filter(isAlive).length
  const last = unseen ? undefined : events.toSorted((a, b) => b.last.getTime() - a.last.getTime())[0]
  if (!last) return state
  const { kind, ...reason } = refusal(last.message)
  const grace = { policy: 0, quota: QUOTA_GRACE, other: bounds.startSeconds * 1000 }[kind]
  const first = Math.min(...events.map((event) => event.first.getTime()))
  return patience(reason, { ...state, message: reason.detail }, first + grace, now)
}

function ofReplicas(states: ReplicaState[]): ReplicaState {
  const state = together(states)
  if (!state) return { phase: 'stopped', message: 'It has no replicas.' }
  const looks = states.flatMap(({ lookAt }) => lookAt ?? [])
  return looks.length > 0 ? { ...state, lookAt: Math.min(...looks) } : state
}

const isStarting = ({ phase }: ReplicaState) =>
  phase === 'pending' || phase === 'starting' || phase === 'installing'

function inTime(state: ReplicaState, started: number, now: number, bounds: Bounds): ReplicaState {
  const until = started + bounds.readySeconds * 1000
  const detail = `It was not ready after ${bounds.readySeconds} seconds. The last that was known: ${state.message}`
  if (now >= until) return failed({ code: 'server_start_timeout', detail })
  return { ...state, lookAt: Math.min(state.lookAt ?? until, until) }
}

function lifetimeOver(job: V1Job): string {
  const description = readDescription(job.metadata?.annotations?.[DESCRIPTION])
  const seconds = description?.lifetimeSeconds ?? job.spec?.activeDeadlineSeconds
  return seconds === undefined ? 'Its life time is over.' : `Its life time of ${seconds} seconds is over.`
}

/** An annotation can hold anything; the text is shown to nobody but who may read the Job. */
function readVerdict(text: string | undefined): Verdict | undefined {
  if (text === undefined) return undefined
  try {
    const { code, message } = JSON.parse(text) as Record<string, unknown>
    const known = knownCode(code) ?? 'server_failed'
    return { code: known, message: sentence(known, plain(`${message ?? ''}`)) }
  } catch {
    return { code: 'server_failed', message: sentence('server_failed') }
  }
}

/** Kubernetes writes indexes as "0,3-5". */
function indexes(text = ''): (index: number) => boolean {
  const ranges = text.split(',').map((range) => range.split('-').map(Number))
  return (index) => text !== '' && ranges.some(([from, to = from]) => index >= from! && index <= to!)
}

function conditionOf(job: V1Job, type: string): V1JobCondition | undefined {
  return job.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')
}

function isAlive({ status }: V1Pod): boolean {
  return status?.phase !== 'Failed' && status?.phase !== 'Succeeded'
}

function time(date: Date | undefined): number {
  return date?.getTime() ?? 0
}
