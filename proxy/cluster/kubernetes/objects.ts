import type { V1ContainerStatus, V1Job, V1Namespace, V1ObjectMeta, V1Pod } from '@kubernetes/client-node'
import {
  AGENT,
  COMPLETION_INDEX,
  DESCRIPTION,
  INSTANCE,
  MANAGED_BY,
  OWNER,
  OWNER_HASH,
  VANISHED_SINCE,
  VERDICT,
  WORKER,
} from './names.ts'
import { PREPARING } from './preparing.ts'

/**
 * What is kept of the objects that are watched: the fields that something here reads, so that thousands of Jobs cost
 * little memory, and nobody who may write annotations in an own namespace can fill it. Times are Dates, whether the
 * object came as plain JSON (list, watch) or from the client.
 */

/** Texts of Kubernetes are cut to this many characters; a termination message has 4096 bytes at most. */
const MAX_TEXT = 4096
/** Requests and limits of a container; ours have four at most. */
const MAX_RESOURCES = 8
/** Labels and annotations that are read: any other name can be written any number of times. */
const LABELS = [MANAGED_BY, INSTANCE, OWNER_HASH]
const JOB_ANNOTATIONS = [OWNER, DESCRIPTION, VERDICT]
const POD_ANNOTATIONS = [COMPLETION_INDEX]
const NAMESPACE_ANNOTATIONS = [OWNER, VANISHED_SINCE]
const CONTAINERS: readonly string[] = [AGENT, WORKER]
const CONDITIONS = ['PodScheduled', 'PodReadyToStartContainers', 'Ready', 'DisruptionTarget']

/** A warning about a Job, such as that its pods cannot be created. */
export interface JobEvent {
  metadata: V1ObjectMeta
  /** Of the Job. */
  job: string
  message: string
  first: Date
  last: Date
}

/** An event as the API server sends it (core/v1), as far as it is read. */
export interface RawEvent {
  metadata: V1ObjectMeta
  involvedObject: { kind?: string; name?: string; uid?: string }
  reason?: string
  message?: string
  firstTimestamp?: Date | string | null
  lastTimestamp?: Date | string | null
  eventTime?: Date | string | null
}

export function keptJob(job: V1Job): V1Job {
  const { suspend, parallelism, completions, activeDeadlineSeconds, template } = job.spec ?? {}
  const { conditions, startTime, completionTime, ...counts } = job.status ?? {}
  return {
    metadata: keptMetadata(job.metadata, JOB_ANNOTATIONS),
    spec: {
      suspend,
      parallelism,
      completions,
      activeDeadlineSeconds,
      template: { spec: keptContainers(template?.spec) },
    },
    status: {
      active: counts.active,
      terminating: counts.terminating,
      failedIndexes: cut(counts.failedIndexes),
      completedIndexes: cut(counts.completedIndexes),
      startTime: date(startTime),
      completionTime: date(completionTime),
      conditions: conditions?.map(keptCondition),
    },
  }
}

export function keptPod(pod: V1Pod): V1Pod {
  const { phase, reason, message, startTime, conditions } = pod.status ?? {}
  const { containerStatuses, initContainerStatuses } = pod.status ?? {}
  const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)
  return {
    metadata: { ...keptMetadata(pod.metadata, POD_ANNOTATIONS), ...(owner && { ownerReferences: [owner] }) },
    spec: { nodeName: pod.spec?.nodeName, ...keptContainers(pod.spec) },
    status: {
      phase,
      reason,
      message: cut(message),
      startTime: date(startTime),
      conditions: conditions?.filter(({ type }) => CONDITIONS.includes(type)).map(keptCondition),
      containerStatuses: containerStatuses?.filter(isOurs).map(keptContainerStatus),
      initContainerStatuses: initContainerStatuses?.filter(isOurs).map(keptContainerStatus),
    },
  }
}

export function keptNamespace(namespace: V1Namespace): V1Namespace {
  const metadata = keptMetadata(namespace.metadata, NAMESPACE_ANNOTATIONS)
  return { metadata, status: { phase: namespace.status?.phase } }
}

/** Undefined for events that say nothing about the start of a server. */
export function keptEvent(event: RawEvent): JobEvent | undefined {
  const { metadata, involvedObject, reason, message } = event
  if (involvedObject.kind !== 'Job' || !involvedObject.uid || reason !== 'FailedCreate') return undefined
  const last = lastSeen(event)
  const { name, namespace, uid, resourceVersion } = metadata
  return {
    metadata: { name, namespace, uid, resourceVersion },
    job: involvedObject.uid,
    message: cut(message) ?? '',
    first: date(event.firstTimestamp) ?? last,
    last,
  }
}

/** A warning about a pod that its status does not show. */
export interface PodEvent {
  metadata: V1ObjectMeta
  /** Of the pod. */
  pod: string
  reason: string
  message: string
  last: Date
}

/**
 * That the kubelet has evicted it is in the pod's own status only if the pod ends with a failure; what keeps its
 * containers from being made never is.
 */
const POD_REASONS: readonly string[] = ['Evicted', ...PREPARING]

/** Undefined for events that are about something else. */
export function keptPodEvent(event: RawEvent): PodEvent | undefined {
  const { metadata, involvedObject, reason = '', message } = event
  if (involvedObject.kind !== 'Pod' || !involvedObject.uid || !POD_REASONS.includes(reason)) return undefined
  const { name, namespace, uid, resourceVersion } = metadata
  return {
    metadata: { name, namespace, uid, resourceVersion },
    pod: involvedObject.uid,
    reason,
    message: cut(message) ?? '',
    last: lastSeen(event),
  }
}

function lastSeen({ metadata, lastTimestamp, eventTime }: RawEvent): Date {
  return date(lastTimestamp ?? eventTime ?? metadata.creationTimestamp) ?? new Date(0)
}

function keptMetadata(metadata: V1ObjectMeta = {}, keptAnnotations: readonly string[]): V1ObjectMeta {
  const { name, namespace, uid, resourceVersion, labels, annotations } = metadata
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    creationTimestamp: date(metadata.creationTimestamp),
    deletionTimestamp: date(metadata.deletionTimestamp),
    labels: keptTexts(labels, LABELS),
    annotations: keptTexts(annotations, keptAnnotations),
  }
}

function keptTexts(texts: Record<string, string> = {}, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(texts, name)).map((name) => [name, texts[name]!]),
  )
}

type PodSpec = Pick<NonNullable<V1Pod['spec']>, 'containers' | 'initContainers'>

function keptContainers(spec: PodSpec | undefined): PodSpec {
  const kept = ({ name, image, resources = {} }: PodSpec['containers'][number]) => {
    const { requests, limits } = resources
    return { name, image: cut(image), resources: { requests: first(requests), limits: first(limits) } }
  }
  return {
    containers: spec?.containers?.filter(isOurs).map(kept) ?? [],
    initContainers: spec?.initContainers?.filter(isOurs).map(kept),
  }
}

function isOurs({ name }: { name: string }): boolean {
  return CONTAINERS.includes(name)
}

function first(amounts: Record<string, string> | undefined): Record<string, string> | undefined {
  return amounts && Object.fromEntries(Object.entries(amounts).slice(0, MAX_RESOURCES))
}

type Condition = {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: Date | string
}

function keptCondition({ type, status, reason, message, lastTransitionTime }: Condition) {
  return { type, status, reason, message: cut(message), lastTransitionTime: date(lastTransitionTime) }
}

function keptContainerStatus(status: V1ContainerStatus): V1ContainerStatus {
  const { name, image, ready, restartCount, state, lastState } = status
  // `imageID` is required by the type and read by nobody.
  return {
    name,
    image: cut(image)!,
    imageID: '',
    ready,
    restartCount,
    state: keptState(state),
    lastState: keptState(lastState),
  }
}

function keptState(state: V1ContainerStatus['state'] = {}): V1ContainerStatus['state'] {
  const { waiting, running, terminated } = state
  if (waiting) return { waiting: { reason: waiting.reason, message: cut(waiting.message) } }
  if (running) return { running: { startedAt: date(running.startedAt) } }
  if (!terminated) return undefined
  const { exitCode, signal, reason, message, startedAt, finishedAt } = terminated
  const times = { startedAt: date(startedAt), finishedAt: date(finishedAt) }
  return { terminated: { exitCode, signal, reason, message: cut(message), ...times } }
}

function cut(text: string | undefined): string | undefined {
  return text && text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text
}

function date(time: Date | string | null | undefined): Date | undefined {
  return time ? new Date(time) : undefined
}
