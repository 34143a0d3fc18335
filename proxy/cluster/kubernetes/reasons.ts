import { constants } from 'node:os'
import type {
  V1ContainerStateTerminated,
  V1ContainerStateWaiting,
  V1Pod,
  V1ResourceRequirements,
} from '@kubernetes/client-node'
import type { ErrorCode } from '../../../common/errors.ts'
import { quotaDetail } from './api-error.ts'
import { plain, plainSentence } from './plain.ts'
import { amount, bytes } from './sizes.ts'

/** Why something is not as it should be: a code of the error table and what exactly is wrong. */
export interface Reason {
  code: ErrorCode
  detail: string
}

/** What Kubernetes says when a pod cannot be created (the event FailedCreate of its Job). */
export interface Refusal extends Reason {
  /** quota: may be over as soon as another pod has ended. policy: stays. other: may be over by itself. */
  kind: 'quota' | 'policy' | 'other'
}

export function refusal(message: string): Refusal {
  const text = message.replace(/^(Error creating: |\(combined from similar events\): )+/, '')
  const quota = quotaDetail(text)
  if (quota) return { kind: 'quota', code: 'quota_exceeded', detail: quota }
  const said = plainSentence(text.replace(/^pods "[^"]*" is forbidden: /, ''), 1000)
  const podSecurity = /violates PodSecurity "([^":]*)/.exec(text)?.[1]
  if (podSecurity) {
    const rules = plainSentence(text.replace(/^.*?violates PodSecurity "[^"]*": /s, ''), 1000)
    const detail = `The Pod Security Standard "${podSecurity}" of the namespace does not allow its pod: ${rules}`
    return { kind: 'policy', code: 'admission_refused', detail }
  }
  if (/failed calling webhook|error looking up service account|is being terminated/.test(text))
    return { kind: 'other', code: 'admission_refused', detail: `Its pod could not be created: ${said}` }
  if (/ is forbidden: |denied the request|is invalid: /.test(text))
    return { kind: 'policy', code: 'admission_refused', detail: `Its pod may not be created: ${said}` }
  return { kind: 'other', code: 'server_failed', detail: `Its pod could not be created: ${said}` }
}

/** A container that waits for its image. Final ones will not get better however long the kubelet tries. */
export function imageTrouble(
  image: string,
  waiting: V1ContainerStateWaiting,
): (Reason & { final: boolean }) | undefined {
  const { reason = '', message = '' } = waiting
  const why = IMAGE_REASONS[reason] ?? (IMAGE_WAITS.includes(reason) ? pullFailure(message) : undefined)
  if (why === undefined) return undefined
  const final = reason === 'InvalidImageName' || reason === 'ErrImageNeverPull'
  return { code: 'image_unavailable', detail: `The image ${plain(image, 300)} ${why}.`, final }
}

const IMAGE_WAITS = ['ErrImagePull', 'ImagePullBackOff', 'RegistryUnavailable', 'ImageInspectError']
const IMAGE_REASONS: Record<string, string> = {
  InvalidImageName: 'has a name that is not one of an image',
  ErrImageNeverPull: 'is not on the node, and its profile says that it is never pulled',
  SignatureValidationFailed: 'has a signature that is not trusted',
}

const PULL_FAILURES: [pattern: RegExp, plain: string][] = [
  [/no match for platform|no matching manifest/i, 'is not made for the processors of the node'],
  [/no space left on device/i, 'does not fit on the disk of the node'],
  [
    /toomanyrequests|429 Too Many Requests/i,
    'was asked for too often: its registry limits the number of pulls',
  ],
  [/x509|certificate/i, 'cannot be pulled: the certificate of its registry is not trusted'],
  [
    /no such host|connection refused|i\/o timeout|no route to host|network is unreachable|deadline exceeded|server misbehaving|RegistryUnavailable|\bEOF\b/i,
    'cannot be pulled: its registry does not answer',
  ],
  [
    /pull access denied|unauthorized|authorization failed|401|403|denied/i,
    'does not exist, or needs a pull secret',
  ],
  [/not found|manifest unknown|404/i, 'does not exist'],
]

function pullFailure(message: string): string {
  const known = PULL_FAILURES.find(([pattern]) => pattern.test(message))?.[1]
  const said = plainSentence(message, 300).replace(/[.…]$/, '')
  return known ?? (said ? `cannot be pulled (${said})` : 'cannot be pulled')
}

/** A container that the kubelet cannot create, now or ever. */
export function containerTrouble(who: string, waiting: V1ContainerStateWaiting): Reason | undefined {
  const { reason = '', message = '' } = waiting
  if (!/^(CreateContainerConfigError|CreateContainerError|RunContainerError)$/.test(reason)) return undefined
  const detail = `The container of its ${who} cannot be created: ${plainSentence(message || reason, 500)}`
  return { code: 'server_failed', detail }
}

/** The worker, which runs what users send: how it ended. Undefined when it ended in order. */
export function workerEnd(ended: V1ContainerStateTerminated, pod: V1Pod): Reason | undefined {
  const { reason, exitCode, message = '' } = ended
  const { image, resources } = pod.spec?.containers.find(({ name }) => name === 'worker') ?? {}
  // Of a container on control groups of version 1 it is also said when one of its calls alone was killed, long before.
  if (reason === 'OOMKilled' && exitCode === 137) {
    return { code: 'out_of_memory', detail: `The worker ${overMemory(resources)}.` }
  }
  if (reason === 'StartError' || reason === 'ContainerCannotRun') {
    if (/executable file not found|no such file or directory/.test(message))
      return { code: 'python_missing', detail: `The image ${plain(image ?? '', 300)} has no python3.` }
    return {
      code: 'server_failed',
      detail: `The worker could not be started: ${plainSentence(message, 500)}`,
    }
  }
  if (exitCode === 0) return undefined
  // They may be written by whatever runs in the worker.
  return { code: 'worker_lost', detail: `The worker ${how(ended)}.${lastWords(message)}` }
}

/** The agent: how it ended, if that needs an explanation of its own. */
export function agentEnd(ended: V1ContainerStateTerminated, pod: V1Pod): Reason | undefined {
  if (ended.reason === 'OOMKilled') {
    const { resources } = pod.spec?.initContainers?.find(({ name }) => name === 'agent') ?? {}
    return { code: 'server_failed', detail: `The agent beside the worker ${overMemory(resources)}.` }
  }
  if (ended.exitCode === 0 || ended.exitCode === 143) return undefined
  const detail = `The agent beside the worker ${how(ended)}.${lastWords(ended.message)}`
  return { code: 'server_failed', detail }
}

function lastWords(message = ''): string {
  const said = plain(message.replace(/\s+/g, ' '), 500)
  return said && ` Its last words: "${said}".`
}

function overMemory(resources: V1ResourceRequirements | undefined): string {
  const limit = resources?.limits?.memory
  return `used more memory than its limit${limit ? ` of ${bytes(amount(limit))}` : ''} and was killed`
}

function how({ exitCode, signal, reason }: V1ContainerStateTerminated): string {
  if (reason === 'ContainerStatusUnknown') return 'ended while its node did not answer'
  const number = signal || (exitCode > 128 && exitCode < 193 ? exitCode - 128 : 0)
  if (number === 0) return `ended with exit code ${exitCode}`
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0]
  const hint = number === constants.signals.SIGKILL ? ', perhaps because memory had run out' : ''
  return `was killed by ${name ?? `signal ${number}`}${hint}`
}

/** A pod that the cluster took away: evicted, preempted, its node lost. Undefined when it was not. */
export function takenAway(pod: V1Pod): Reason | undefined {
  const { reason = '', message = '', conditions } = pod.status ?? {}
  const disruption = conditions?.find(({ type, status }) => type === 'DisruptionTarget' && status === 'True')
  const node = pod.spec?.nodeName ? `node ${plain(pod.spec.nodeName, 253)}` : 'node'
  if (reason === 'Evicted') return { code: 'evicted', detail: overuse(message) }
  if (/^(NodeShutdown|Shutdown|Terminated)$/.test(reason))
    return { code: 'evicted', detail: `Its ${node} was shut down.` }
  if (reason === 'NodeLost') return { code: 'node_lost', detail: `Its ${node} does not answer.` }
  if (/^(NodeAffinity|OutOf\w+|UnexpectedAdmissionError|Node\w*NotSupported)$/.test(reason))
    return { code: 'unschedulable', detail: `Its ${node} did not take it: ${plainSentence(message, 500)}` }
  switch (disruption?.reason) {
    case undefined:
      return undefined
    case 'PreemptionByScheduler':
      return { code: 'evicted', detail: `It had to leave its ${node} for a pod of higher priority.` }
    case 'DeletionByTaintManager':
      return {
        code: 'node_lost',
        detail: `Its ${node} stopped answering, or was cleared of pods by a taint.`,
      }
    case 'DeletionByPodGC':
      return { code: 'node_lost', detail: `Its ${node} is gone.` }
    case 'EvictionByEvictionAPI':
      return { code: 'evicted', detail: `Its ${node} is being drained.` }
    default:
      return { code: 'evicted', detail: plainSentence(disruption?.message || 'Its pod was ended', 500) }
  }
}

const OVERUSES: [pattern: RegExp, plain: string][] = [
  [
    /^Usage of EmptyDir volume "([^"]*)" exceeds the limit "([^"]*)".*/s,
    'Its volume "$1" held more than its limit of $2.',
  ],
  [
    /^Pod ephemeral local storage usage exceeds the total limit of containers ([^\s]*?)\.?\s*$/s,
    'It used more disk than its limit of $1.',
  ],
  [
    /^Container (\S+) exceeded its local ephemeral storage limit "([^"]*)".*/s,
    'Its $1 used more disk than its limit of $2.',
  ],
  [/^The node was low on resource: ([^\s]*?)\.\s*/, 'Its node ran low on $1. '],
]

function overuse(message: string): string {
  const [pattern, text] = OVERUSES.find(([known]) => known.test(message)) ?? []
  const said = pattern ? message.replace(pattern, text!) : message || 'Its node ran low on something'
  return plainSentence(
    said.replace(/\b\d{4,}\b/g, (number) => bytes(amount(number))),
    700,
  )
}
