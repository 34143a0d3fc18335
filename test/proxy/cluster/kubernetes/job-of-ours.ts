import type { V1Container, V1Job, V1PodSpec } from '@kubernetes/client-node'

import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'

import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'

/** The Job that the backend makes for alice in this namespace; `change` bends it. */
export function jobOfOurs(
  namespace: string,
  change: (parts: { job: V1Job; pod: V1PodSpec; worker: V1Container; agent: V1Container }) => void = () => {},
): V1Job {
  const job = buildJob(approvedServer(), {
    namespace: { name: namespace, owner: 'alice' },
    settings: kubernetesSettings(),
  })
  // What is shared between Jobs in the builder must not be bent for good.
  const copy = structuredClone(job)
  const pod = copy.spec!.template.spec!
  change({ job: copy, pod, worker: pod.containers[0]!, agent: pod.initContainers![0]! })
  return copy
}
