import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'
import { type ErrorCode, sentence } from '../../../common/errors.ts'
import type { Phase } from '../../pipeline.ts'
import { knownCode } from '../agent-state.ts'
import { AGENT, WORKER } from './names.ts'
import type { PodEvent } from './objects.ts'
import { plain, plainSentence } from './plain.ts'
import { preparationTrouble } from './preparing.ts'
import { agentEnd, containerTrouble, imageTrouble, type Reason, takenAway, workerEnd } from './reasons.ts'
import type { KubernetesSettings } from './settings.ts'
import { unschedulable } from './unschedulable.ts'

/** How long what may get better by itself is waited for. */
export type Bounds = Pick<
  KubernetesSettings,
  'startSeconds' | 'unschedulableSeconds' | 'imagePullSeconds' | 'readySeconds'
>

export interface ReplicaState {
  phase: Phase
  message: string
  code?: ErrorCode
  /** When time alone changes this, in milliseconds since the epoch. */
  lookAt?: number
}

/** An agent that has crashed so often will not come up. */
const MAX_RESTARTS = 3

/** How the replica is whose newest pod this is, with the warnings about it. `now` in milliseconds since the epoch. */
export function replicaState(
  pod: V1Pod,
  events: readonly PodEvent[],
  now: number,
  bounds: Bounds,
): ReplicaState {
  const { phase } = pod.status ?? {}
  const taken = takenAway(pod)
  if (taken) return failed(taken)
  const ended = phase === 'Failed' || phase === 'Succeeded' ? endedState(pod, phase) : undefined
  if (ended) return ended
  const worker = statusOf(pod, WORKER)
  const end = worker?.state?.terminated
  // The kernel's word is final. Of any other end the agent knows more, and says so when it ends itself.
  const killed = end && workerEnd(end, pod)
  if (killed?.code === 'out_of_memory') return failed(killed)
  if (pod.metadata?.deletionTimestamp) return { phase: 'stopping', message: 'Its pod is being deleted.' }
  if (end) {
    // When the agent has ended as well, all is over; the kubelet takes seconds to say so of the pod.
    return lastWord(statusOf(pod, AGENT)) ?? { phase: 'stopping', message: 'Its worker has ended.' }
  }
  return unplaced(pod, now, bounds) ?? waiting(pod, events, now, bounds) ?? running(pod)
}

export function failed({ code, detail }: Reason): ReplicaState {
  return { phase: 'failed', message: sentence(code, detail), code }
}

/** A failure if the time for getting better is over, else `state` until then. */
export function patience(reason: Reason, state: ReplicaState, until: number, now: number): ReplicaState {
  return now >= until ? failed(reason) : { ...state, lookAt: until }
}

function endedState(pod: V1Pod, phase: 'Failed' | 'Succeeded'): ReplicaState {
  const [worker, agent] = [statusOf(pod, WORKER), statusOf(pod, AGENT)]
  const workerReason = worker?.state?.terminated && workerEnd(worker.state.terminated, pod)
  if (workerReason?.code === 'out_of_memory') return failed(workerReason)
  const last = lastWord(agent)
  if (last?.phase === 'failed') return last
  if (phase === 'Succeeded') return last ?? { phase: 'stopped', message: 'It has ended.' }
  // Of an agent that waits to be started again the kubelet does not know how it ends; how it ended before tells more.
  const agentReason = [agent?.state?.terminated, agent?.lastState?.terminated]
    .map((end) => end && end.reason !== 'ContainerStatusUnknown' && agentEnd(end, pod))
    .find(Boolean)
  if (agentReason && !last) return failed(agentReason)
  const message = plainSentence(pod.status?.message || 'Its pod has failed', 500)
  return failed(workerReason ?? { code: 'server_failed', detail: message })
}

/** What the agent has left as its termination message: the state in which the server ended. */
function lastWord(agent: V1ContainerStatus | undefined): ReplicaState | undefined {
  for (const end of [agent?.state?.terminated, agent?.lastState?.terminated]) {
    const last = readLastState(end?.message)
    if (last) return last
  }
  return undefined
}

function readLastState(text = ''): ReplicaState | undefined {
  try {
    const { state, message, code } = JSON.parse(text) as Record<string, unknown>
    const said = plain(`${message ?? ''}`)
    if (state === 'failed') return failed({ code: knownCode(code) ?? 'server_failed', detail: said })
    return state === 'stopping' || state === 'stopped' ? { phase: 'stopped', message: said } : undefined
  } catch {
    return undefined
  }
}

/** Not on a node yet. */
function unplaced(pod: V1Pod, now: number, bounds: Bounds): ReplicaState | undefined {
  if (pod.spec?.nodeName) return undefined
  const condition = conditionOf(pod, 'PodScheduled')
  if (condition?.status !== 'False') return { phase: 'pending', message: 'It waits for a place on a node.' }
  if (condition.reason === 'SchedulingGated')
    return { phase: 'pending', message: 'A scheduling gate of the cluster holds it back.' }
  const reason = unschedulable(condition.message ?? '', pod)
  const until = time(condition.lastTransitionTime) + bounds.unschedulableSeconds * 1000
  return patience(reason, { phase: 'pending', message: reason.detail }, until, now)
}

/** On a node, but a container of it does not run yet, or the agent not any more. */
function waiting(
  pod: V1Pod,
  events: readonly PodEvent[],
  now: number,
  bounds: Bounds,
): ReplicaState | undefined {
  const [agent, worker] = [statusOf(pod, AGENT), statusOf(pod, WORKER)]
  const agentStarted = agent?.state?.running?.startedAt
  const crash = agent?.lastState?.terminated
  if (crash && !agentStarted) {
    const reason = agentEnd(crash, pod) ?? restarting
    return agent.restartCount < MAX_RESTARTS ? { phase: 'starting', message: reason.detail } : failed(reason)
  }
  if (worker?.state?.running) return undefined
  for (const [who, since] of [
    [AGENT, pod.status?.startTime],
    [WORKER, agentStarted],
  ] as const) {
    const wait = statusOf(pod, who)?.state?.waiting
    const image = imageOf(pod, who)
    const trouble = wait && (imageTrouble(image, wait) ?? containerTrouble(who, wait))
    if (!trouble) continue
    if ('final' in trouble && trouble.final) return failed(trouble)
    const until = time(since ?? pod.status?.startTime) + bounds.imagePullSeconds * 1000
    return patience(trouble, { phase: 'starting', message: trouble.detail }, until, now)
  }
  if (!agentStarted) return preparing(pod, events, now, bounds)
  return { phase: 'starting', message: `Pulling the image ${plain(imageOf(pod, WORKER), 300)}.` }
}

/** On a node, and no container has been made: volumes are mounted, the network is set up, the first image is pulled. */
function preparing(pod: V1Pod, events: readonly PodEvent[], now: number, bounds: Bounds): ReplicaState {
  const state: ReplicaState = { phase: 'starting', message: 'Its containers are being created.' }
  // Whatever was in the way before is over then.
  const isPrepared = conditionOf(pod, 'PodReadyToStartContainers')?.status === 'True'
  const trouble = isPrepared ? undefined : preparationTrouble(pod, events)
  if (!trouble) return state
  const since = time(pod.status?.startTime ?? pod.metadata?.creationTimestamp)
  const until = since + bounds.unschedulableSeconds * 1000
  return patience(trouble, { ...state, message: trouble.detail }, until, now)
}

const restarting: Reason = {
  code: 'server_failed',
  detail: 'The agent beside the worker ends again and again.',
}

function running(pod: V1Pod): ReplicaState {
  const condition = conditionOf(pod, 'Ready')
  const agent = statusOf(pod, AGENT)
  if (agent?.ready && condition?.status === 'True') return { phase: 'ready', message: '' }
  const started = time(statusOf(pod, WORKER)?.state?.running?.startedAt)
  // The condition was False from before the start, unless the server has been ready since.
  const wasReady = condition?.status === 'False' && time(condition.lastTransitionTime) > started
  if (!wasReady) return { phase: 'installing', message: 'Its packages are being installed.' }
  if (!agent?.ready) return { phase: 'stopping', message: 'It is ending.' }
  return { phase: 'stopping', message: `Its node ${pod.spec?.nodeName} does not answer.`, code: 'node_lost' }
}

function statusOf(pod: V1Pod, name: string): V1ContainerStatus | undefined {
  const { containerStatuses, initContainerStatuses } = pod.status ?? {}
  return [...(containerStatuses ?? []), ...(initContainerStatuses ?? [])].find(
    (status) => status.name === name,
  )
}

function imageOf(pod: V1Pod, name: string): string {
  const { containers = [], initContainers = [] } = pod.spec ?? {}
  return [...containers, ...initContainers].find((container) => container.name === name)?.image ?? ''
}

function conditionOf(pod: V1Pod, type: string) {
  return pod.status?.conditions?.find((condition) => condition.type === type)
}

function time(date: Date | undefined): number {
  return date?.getTime() ?? 0
}
