import type { V1Volume, V1VolumeMount } from '@kubernetes/client-node'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { parseQuantity } from '../../security-model/quantity.ts'
import { objectName } from './names.ts'
import { CONFIG, HOME, RUN, SHARED_MEMORY, TMP } from './paths.ts'

/** For the agent's socket. */
const RUN_BYTES = 1024 ** 2
/** The Secret's files are the group's to read, which is fsGroup, and nobody's to write. */
const SECRET_MODE = 0o440

/** The volumes of a pod. Those with contents of their own end with it. */
export function podVolumes({ name, pod }: ApprovedServer): V1Volume[] {
  const disk = { sizeLimit: bytes(pod.ephemeralStorage) }
  return [
    { name: 'run', emptyDir: { sizeLimit: `${RUN_BYTES}` } },
    { name: 'config', secret: { secretName: objectName(name), defaultMode: SECRET_MODE } },
    { name: 'home', emptyDir: disk },
    { name: 'tmp', emptyDir: disk },
    { name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: bytes(pod.sharedMemory) } },
    ...claimsOf(pod.volumes).map((claimName, index) => ({
      name: claimVolume(index),
      persistentVolumeClaim: { claimName },
    })),
  ]
}

export const agentMounts: V1VolumeMount[] = [
  { name: 'run', mountPath: RUN },
  { name: 'config', mountPath: CONFIG, readOnly: true },
]

/** The worker does not see what the agent is told, its credential above all. */
export function workerMounts({ pod }: ApprovedServer): V1VolumeMount[] {
  const claims = claimsOf(pod.volumes)
  return [
    { name: 'run', mountPath: RUN },
    { name: 'home', mountPath: HOME },
    { name: 'tmp', mountPath: TMP },
    { name: 'shared-memory', mountPath: SHARED_MEMORY },
    ...pod.volumes.map(({ claim, mountPath, subPath, readOnly }) => ({
      name: claimVolume(claims.indexOf(claim)),
      mountPath,
      readOnly,
      ...(subPath !== undefined && { subPath }),
    })),
  ]
}

/** A claim may be mounted more than once, by different folders of it. */
function claimsOf(volumes: ApprovedServer['pod']['volumes']): string[] {
  return [...new Set(volumes.map(({ claim }) => claim))]
}

function claimVolume(index: number): string {
  return `claim-${index}`
}

/** As Kubernetes takes it, without a fraction. */
export function bytes(quantity: string | number): string {
  return `${Math.ceil(parseQuantity(quantity))}`
}
