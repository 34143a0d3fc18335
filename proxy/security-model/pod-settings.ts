import { type Static, Type } from 'typebox'
import { QUANTITY } from './quantity.ts'

const closed = { additionalProperties: false }
const quantity = (fallback: string, description: string) =>
  Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: QUANTITY })], {
    default: fallback,
    description,
  })
/** Labels and annotations as Kubernetes takes them: an optional domain and a name; a value of 63 characters. */
const KEY = Type.String({
  pattern: '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$',
})
const LABEL_VALUE = Type.String({ pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$' })
const label = (description: string) => Type.String({ minLength: 1, maxLength: 316, description })

const Toleration = Type.Object(
  {
    key: Type.Optional(Type.String({ minLength: 1, maxLength: 316 })),
    operator: Type.Optional(Type.Enum(['Exists', 'Equal'])),
    value: Type.Optional(Type.String({ maxLength: 63 })),
    effect: Type.Optional(Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])),
    tolerationSeconds: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)

const Volume = Type.Object(
  {
    claim: Type.String({
      pattern: '^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$',
      description: "A PersistentVolumeClaim that exists in each user's namespace.",
    }),
    mountPath: Type.String({
      pattern: '^/[^:\\x00]+$',
      description: 'Where functions find it. Not below a folder that rexec uses.',
    }),
    subPath: Type.Optional(
      Type.String({ pattern: '^(?!/)(?!.*(^|/)\\.\\.(/|$)).+$', description: 'Folder within the volume.' }),
    ),
    readOnly: Type.Boolean({ default: false, description: 'Whether functions may not write to it.' }),
  },
  closed,
)

/** How the pods of a profile's servers are, beyond their sizes. Kubernetes only; users choose nothing of it. */
export const PodSettings = Type.Object(
  {
    nodeSelector: Type.Record(KEY, LABEL_VALUE, {
      ...closed,
      default: {},
      description: 'Labels of the nodes (a node pool) on which the servers run.',
    }),
    tolerations: Type.Array(Toleration, { default: [], description: 'Taints of nodes that they accept.' }),
    affinity: Type.Object(
      {},
      { default: {}, additionalProperties: true, description: "A pod's affinity, as Kubernetes has it." },
    ),
    priorityClassName: Type.Optional(label('A PriorityClass of the cluster.')),
    runtimeClassName: Type.Optional(label('A RuntimeClass of the cluster, such as gvisor.')),
    gpuResource: Type.String({
      pattern: '^[a-z0-9.-]+/[A-Za-z0-9._-]+$',
      default: 'nvidia.com/gpu',
      description: 'What a GPU is called by the device plugin.',
    }),
    sharedMemory: quantity('64Mi', 'Size of /dev/shm; it counts as memory of the server.'),
    ephemeralStorage: quantity(
      '4Gi',
      "Disk of each replica: installed packages, temporary files and the container's log together.",
    ),
    fileSize: Type.Optional(
      Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: QUANTITY })], {
        description:
          'Largest file that a function can write, on mounted claims as well. Without it: ephemeralStorage. It bounds what the kubelet does not count, the file for the termination message.',
      }),
    ),
    imagePullPolicy: Type.Enum(['Always', 'IfNotPresent', 'Never'], {
      default: 'IfNotPresent',
      description: "When the image of the worker is pulled. (The agent's image has a setting of its own.)",
    }),
    userId: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2147483647,
        description:
          'User and group id of all processes, for claims whose files belong to it. Without it each user has one of the own, so that nobody uses up what the kernel counts by user id.',
      }),
    ),
    volumes: Type.Array(Volume, { default: [], maxItems: 32, description: 'Claims to mount.' }),
    labels: Type.Record(KEY, LABEL_VALUE, {
      ...closed,
      default: {},
      description: 'Further labels of the pods. Labels of rexec itself cannot be changed.',
    }),
    annotations: Type.Record(KEY, Type.String(), {
      ...closed,
      default: {},
      description: 'Further annotations of the pods.',
    }),
  },
  { ...closed, default: {} },
)

export type PodSettings = Static<typeof PodSettings>
