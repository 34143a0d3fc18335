import type { V1Job } from '@kubernetes/client-node'
import type { Namespace } from '../../pipeline.ts'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { describe } from './description.ts'
import { DESCRIPTION, OWNER, OWNER_HASH, objectName, ownerHash, ownLabels, SERVER } from './names.ts'
import { buildPod } from './pod.ts'
import type { KubernetesSettings } from './settings.ts'

/** Beyond the times that are set: for what the cluster does between them. */
const DEADLINE_MARGIN_SECONDS = 60

/** The Job of a server, suspended: its Secret is made when it is there, then it may start. */
export function buildJob(
  server: ApprovedServer,
  { namespace, settings }: { namespace: Namespace; settings: KubernetesSettings },
): V1Job {
  const { instance, readySeconds, drainSeconds, keepSeconds } = settings
  const labels = {
    ...ownLabels(instance),
    [SERVER]: server.name,
    [OWNER_HASH]: ownerHash(namespace.owner),
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: objectName(server.name),
      namespace: namespace.name,
      labels,
      annotations: { [OWNER]: namespace.owner, [DESCRIPTION]: describe(server) },
    },
    spec: {
      suspend: true,
      // Each replica has an index of its own: one that is lost stays lost and the others go on.
      completionMode: 'Indexed',
      completions: server.replicas,
      parallelism: server.replicas,
      backoffLimitPerIndex: 0,
      podReplacementPolicy: 'Failed',
      // The last net: agents end by themselves when the life time is over, counted from their own start.
      activeDeadlineSeconds: server.lifetimeSeconds + readySeconds + drainSeconds + DEADLINE_MARGIN_SECONDS,
      ttlSecondsAfterFinished: keepSeconds,
      template: buildPod(server, settings, labels),
    },
  }
}
