import type { V1PodSpec, V1PodTemplateSpec, V1Toleration } from '@kubernetes/client-node'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { agentContainer, workerContainer } from './containers.ts'
import { BASELINE, userId } from './names.ts'
import type { KubernetesSettings } from './settings.ts'
import { podVolumes } from './volumes.ts'

/** Beyond drainSeconds: for agent and worker to end once no call runs. */
const GRACE_MARGIN_SECONDS = 15
/** After this time on a node that does not answer a pod is given up; Kubernetes' own default is 300. */
const LOST_SECONDS = 30
const LOST_TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/**
 * The pod of a replica, out of approved values alone. It fulfils the Pod Security Standard "restricted" by construction
 * and holds no token of the API server.
 * @param labels those of rexec; a profile cannot change them
 */
export function buildPod(
  server: ApprovedServer,
  settings: KubernetesSettings,
  labels: Record<string, string>,
): V1PodTemplateSpec {
  const { pod } = server
  // Of user and group in all containers; the images need not know it.
  const id = pod.userId ?? userId(server.user)
  const metadata = { labels: { ...pod.labels, ...labels }, annotations: { ...pod.annotations } }
  const spec: V1PodSpec = {
    // A native sidecar: it is there before the worker starts and ends after it.
    initContainers: [agentContainer(settings)],
    containers: [workerContainer(server)],
    volumes: podVolumes(server),
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: settings.drainSeconds + GRACE_MARGIN_SECONDS,
    serviceAccountName: BASELINE,
    automountServiceAccountToken: false,
    // Else the addresses of all Services of the namespace would stand in the environment.
    enableServiceLinks: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    shareProcessNamespace: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: id,
      runAsGroup: id,
      fsGroup: id,
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    imagePullSecrets: settings.imagePullSecrets.map((name) => ({ name })),
    nodeSelector: { ...pod.nodeSelector },
    tolerations: [...pod.tolerations, ...lostTolerations(pod.tolerations)],
    affinity: pod.affinity,
    ...(pod.priorityClassName !== undefined && { priorityClassName: pod.priorityClassName }),
    ...(pod.runtimeClassName !== undefined && { runtimeClassName: pod.runtimeClassName }),
  }
  return { metadata, spec }
}

/** How soon a lost node shows, unless the profile says it for a taint. */
function lostTolerations(given: readonly V1Toleration[]): V1Toleration[] {
  const open = LOST_TAINTS.filter((taint) => !given.some(({ key }) => key === undefined || key === taint))
  return open.map((key) => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: LOST_SECONDS,
  }))
}
