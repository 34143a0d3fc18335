import { type TProperties, Type } from 'typebox'
import { QUANTITY } from '../../proxy/security-model/quantity.ts'

/** Objects of Kubernetes that values pass on. Their own names are checked here, what lies deeper by Kubernetes. */
const closed = { additionalProperties: false }
const anything = () => Type.Object({}, { additionalProperties: true })
const some = <T extends TProperties>(properties: T) => Type.Partial(Type.Object(properties), closed)

/** A name as most objects have it, or none. */
export const NAME = '[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?'
export const name = () => Type.String({ pattern: `^${NAME}$` })
export const nameOrNone = () => Type.String({ pattern: `^(${NAME})?$` })
export const secretKey = () => Type.String({ pattern: '^[-._a-zA-Z0-9]{1,253}$' })
export const hostName = () => Type.String({ pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$' })

const KEY = '^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'
const labelValue = () => Type.String({ pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$' })
export const labels = () => Type.Record(Type.String({ pattern: KEY }), labelValue(), closed)
export const annotations = () => Type.Record(Type.String({ pattern: KEY }), Type.String(), closed)

const quantity = () => Type.Union([Type.Number({ minimum: 0 }), Type.String({ pattern: QUANTITY })])
const quantities = () => Type.Record(Type.String({ pattern: KEY }), quantity(), closed)
export const resources = () => some({ requests: quantities(), limits: quantities() })

export const tolerations = () =>
  Type.Array(
    some({
      key: Type.String(),
      operator: Type.Enum(['Exists', 'Equal', 'Lt', 'Gt']),
      value: Type.String(),
      effect: Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']),
      tolerationSeconds: Type.Integer({ minimum: 0 }),
    }),
  )

export const affinity = () =>
  some({ nodeAffinity: anything(), podAffinity: anything(), podAntiAffinity: anything() })

export const topologySpreadConstraints = () =>
  Type.Array(
    some({
      maxSkew: Type.Integer({ minimum: 1 }),
      topologyKey: Type.String({ minLength: 1 }),
      whenUnsatisfiable: Type.Enum(['DoNotSchedule', 'ScheduleAnyway']),
      labelSelector: anything(),
      matchLabelKeys: Type.Array(Type.String()),
      minDomains: Type.Integer({ minimum: 1 }),
      nodeAffinityPolicy: Type.Enum(['Honor', 'Ignore']),
      nodeTaintsPolicy: Type.Enum(['Honor', 'Ignore']),
    }),
  )

export const env = () =>
  Type.Array(
    Type.Object(
      {
        name: Type.String({ pattern: '^[-._a-zA-Z][-._a-zA-Z0-9]*$' }),
        value: Type.Optional(Type.String()),
        valueFrom: Type.Optional(anything()),
      },
      closed,
    ),
  )

/** Beside its name a volume has one of many sources. */
export const volumes = () => Type.Array(Type.Object({ name: name() }, { additionalProperties: anything() }))

export const volumeMounts = () =>
  Type.Array(
    Type.Object(
      {
        name: name(),
        mountPath: Type.String({ minLength: 1 }),
        subPath: Type.Optional(Type.String()),
        subPathExpr: Type.Optional(Type.String()),
        readOnly: Type.Optional(Type.Boolean()),
        recursiveReadOnly: Type.Optional(Type.Enum(['Disabled', 'IfPossible', 'Enabled'])),
        mountPropagation: Type.Optional(Type.Enum(['None', 'HostToContainer', 'Bidirectional'])),
      },
      closed,
    ),
  )

const peer = () => some({ podSelector: anything(), namespaceSelector: anything(), ipBlock: anything() })
const networkPort = () =>
  some({
    protocol: Type.Enum(['TCP', 'UDP', 'SCTP']),
    port: Type.Union([Type.Integer({ minimum: 1, maximum: 65535 }), Type.String()]),
    endPort: Type.Integer({ minimum: 1, maximum: 65535 }),
  })
export const peers = () => Type.Array(peer())
export const egressRules = () =>
  Type.Array(some({ to: Type.Array(peer()), ports: Type.Array(networkPort()) }))

export const tls = () => Type.Array(some({ hosts: Type.Array(hostName()), secretName: name() }))

export const parentRefs = () =>
  Type.Array(
    Type.Object(
      {
        name: name(),
        namespace: Type.Optional(name()),
        sectionName: Type.Optional(name()),
        port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
        group: Type.Optional(Type.String()),
        kind: Type.Optional(Type.String()),
      },
      closed,
    ),
  )

/** A number of pods or a share of them. */
export const countOrShare = () =>
  Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^(100|[0-9]{1,2})%$' })])
