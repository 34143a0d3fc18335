import type { V1Pod } from '@kubernetes/client-node'
import type { PodEvent } from './objects.ts'
import { plain, plainSentence } from './plain.ts'
import type { Reason } from './reasons.ts'

/** Events of a pod that has its node but no container yet: its volumes, its network. Only events tell of them. */
export const PREPARING = [
  'FailedAttachVolume',
  'FailedMount',
  'FailedMapVolume',
  'FailedCreatePodSandBox',
  'NetworkNotReady',
]

/** What the kubelet says when it has waited: the cause stands in another event, if there is one. */
const GENERIC = /^Unable to attach or mount volumes/

/** Why the containers of a pod cannot be made on its node. Undefined when its events say nothing of it. */
export function preparationTrouble(pod: V1Pod, events: readonly PodEvent[]): Reason | undefined {
  // Times are in whole seconds: of two of one second, the one that came last.
  const [event] = events
    .filter(({ reason }) => PREPARING.includes(reason))
    .reverse()
    .sort(
      (a, b) =>
        Number(GENERIC.test(a.message)) - Number(GENERIC.test(b.message)) ||
        b.last.getTime() - a.last.getTime(),
    )
  return event && { code: 'server_failed', detail: plainSentence(detailOf(event, pod), 1000) }
}

function detailOf({ reason, message }: PodEvent, pod: V1Pod): string {
  const node = `node ${plain(pod.spec?.nodeName ?? '', 253)}`
  if (reason === 'NetworkNotReady') return `The network of its ${node} is not ready`
  if (reason === 'FailedCreatePodSandBox') {
    const why = message.replace(/^Failed to create pod sandbox: (rpc error: code = \w+ desc = )?/, '')
    const what = /setup network|cni/i.test(why) ? 'a network' : 'what it needs to run'
    return `Its ${node} cannot give it ${what}: ${why.replace(/ for sandbox "[0-9a-f]{64}"/, '')}`
  }
  const [, volume, inUse] = /^Multi-Attach error for volume "([^"]*)" (.*)/s.exec(message) ?? []
  if (volume) {
    const pods = /used by pod\(s\) (.*)/s.exec(inUse!)?.[1]
    const by = pods ? ` by ${pods}` : ''
    return `Its volume "${volume}" is in use on another node${by}, and can be on one node at a time`
  }
  const [, name, why] =
    /^\w+\.\w+(?: initialization)? failed for volume "([^"]*)" : (.*)/s.exec(message) ?? []
  const verb = reason === 'FailedAttachVolume' ? 'attached' : 'mounted'
  if (name) return `Its volume "${name}" cannot be ${verb}: ${why}`
  return `Its volumes cannot be ${verb}: ${message}`
}
