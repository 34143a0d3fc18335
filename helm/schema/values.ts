import { type TSchema, Type } from 'typebox'
import { BrokerSettings } from '../../broker/settings.ts'
import { JupyterhubSettings } from '../../proxy/identity/settings.ts'
import { ProxySettings } from '../../proxy/settings.ts'
import * as k8s from './kubernetes.ts'
import { configSchema } from './settings.ts'

const closed = { additionalProperties: false }
const section = <T extends Record<string, TSchema>>(properties: T) =>
  Type.Partial(Type.Object(properties), closed)
const orEmpty = (schema: TSchema) => Type.Union([Type.Literal(''), schema])
const count = (minimum: number, maximum: number) => Type.Integer({ minimum, maximum })
const port = () => count(1, 65535)
const enabled = Type.Boolean()

const proxyConfig = configSchema(ProxySettings, {
  computed: [
    ...['broker.clientAddress', 'broker.serverAddresses'],
    ...['identity.authenticators', 'identity.jupyterhub.apiUrl'],
  ],
  secret: ['broker.credential', 'identity.jupyterhub.apiToken', 'identity.static.users'],
})
const brokerConfig = configSchema(BrokerSettings, { computed: [], secret: [] })

const existingSecret = () => section({ name: k8s.nameOrNone(), key: k8s.secretKey() })
const repository = '[a-zA-Z0-9]([-a-zA-Z0-9._:/]{0,253}[a-zA-Z0-9])?'
const tag = Type.String({ pattern: '^([A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?$' })
const digest = Type.String({ pattern: '^(sha256:[0-9a-f]{64})?$' })
const pullPolicies = ['Always', 'IfNotPresent', 'Never']

/** What all pods of a component may be given. */
const pods = {
  podDisruptionBudget: section({ enabled, maxUnavailable: k8s.countOrShare() }),
  resources: k8s.resources(),
  nodeSelector: k8s.labels(),
  tolerations: k8s.tolerations(),
  affinity: k8s.affinity(),
  topologySpreadConstraints: k8s.topologySpreadConstraints(),
  priorityClassName: k8s.nameOrNone(),
  podAnnotations: k8s.annotations(),
  podLabels: k8s.labels(),
  extraEnv: k8s.env(),
  extraVolumes: k8s.volumes(),
  extraVolumeMounts: k8s.volumeMounts(),
}

const proxy = section({
  config: Type.Unsafe(proxyConfig),
  replicas: count(0, 100),
  signingKey: section({ existingSecret: existingSecret() }),
  service: section({
    type: Type.Enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    port: port(),
    annotations: k8s.annotations(),
  }),
  ingress: section({
    enabled,
    className: k8s.nameOrNone(),
    annotations: k8s.annotations(),
    hosts: Type.Array(k8s.hostName()),
    tls: k8s.tls(),
  }),
  httpRoute: section({
    enabled,
    annotations: k8s.annotations(),
    parentRefs: k8s.parentRefs(),
    hostnames: Type.Array(k8s.hostName()),
  }),
  autoscaling: section({
    enabled,
    minReplicas: count(1, 100),
    maxReplicas: count(1, 100),
    targetCPUUtilizationPercentage: count(1, 1000),
  }),
  networkPolicy: section({
    enabled,
    from: k8s.peers(),
    hub: k8s.peers(),
    apiServerPorts: Type.Array(port(), { minItems: 1 }),
    egress: k8s.egressRules(),
  }),
  ...pods,
})

const broker = section({
  config: Type.Unsafe(brokerConfig),
  replicas: count(1, 100),
  credential: section({ existingSecret: existingSecret() }),
  externalAddress: orEmpty(ProxySettings.properties.broker.properties.externalAddress),
  service: section({
    type: Type.Enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    port: port(),
    nodePort: Type.Union([port(), Type.Null()]),
    annotations: k8s.annotations(),
    loadBalancerClass: Type.String({ pattern: '^[-A-Za-z0-9_./]*$' }),
    loadBalancerSourceRanges: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+/[0-9]{1,3}$' })),
    externalTrafficPolicy: Type.Enum(['Cluster', 'Local']),
  }),
  networkPolicy: section({ enabled, from: k8s.peers(), egress: k8s.egressRules() }),
  ...pods,
})

/** values.yaml, key by key; its comments are the descriptions. */
export const ChartValues = section({
  fullnameOverride: Type.String({ pattern: '^([a-z]([-a-z0-9]{0,34}[a-z0-9])?)?$' }),
  image: section({
    repository: Type.String({ pattern: `^${repository}$` }),
    tag,
    digest,
    pullPolicy: Type.Enum(pullPolicies),
  }),
  imagePullSecrets: ProxySettings.properties.cluster.properties.kubernetes.properties.imagePullSecrets,
  prefix: ProxySettings.properties.prefix,
  hub: section({
    apiUrl: JupyterhubSettings.properties.apiUrl,
    serviceName: JupyterhubSettings.properties.serviceName,
    // The slash at the end is added.
    publicUrl: Type.String({ pattern: '^(https?://[^?#@\\s]+|/[^?#\\s]*)?$' }),
    // No pattern: what does not match one is quoted.
    apiToken: Type.Union([Type.String({ maxLength: 0 }), Type.String({ minLength: 16, maxLength: 4096 })]),
    existingSecret: existingSecret(),
  }),
  proxy,
  broker,
  agent: section({
    image: section({
      repository: Type.String({ pattern: `^(${repository})?$` }),
      tag,
      digest,
      pullPolicy: Type.Enum(['', ...pullPolicies]),
    }),
  }),
  rbac: section({
    create: enabled,
    mode: Type.Enum(['cluster', 'namespaces']),
    tokenReview: enabled,
  }),
  admissionPolicy: section({ create: enabled }),
  serviceAccount: section({ create: enabled, name: k8s.nameOrNone(), annotations: k8s.annotations() }),
  prePuller: section({
    hook: section({ enabled, timeoutSeconds: count(1, 86400) }),
    continuous: section({ enabled }),
    extraImages: Type.Array(Type.String({ pattern: `^${repository}(@sha256:[0-9a-f]{64})?$` })),
    pause: section({ image: Type.String({ pattern: `^${repository}(@sha256:[0-9a-f]{64})?$` }) }),
    resources: k8s.resources(),
    priorityClassName: k8s.nameOrNone(),
  }),
  metrics: section({
    from: k8s.peers(),
    serviceMonitor: section({
      enabled,
      labels: k8s.labels(),
      interval: Type.String({ pattern: '^[0-9]+(ms|s|m|h)$' }),
      scrapeTimeout: Type.String({ pattern: '^([0-9]+(ms|s|m|h))?$' }),
      metricRelabelings: Type.Array(Type.Object({}, { additionalProperties: true })),
    }),
    dashboard: section({ enabled, labels: k8s.labels(), annotations: k8s.annotations() }),
    alerts: section({ enabled, labels: k8s.labels() }),
  }),
  tests: section({
    existingSecret: existingSecret(),
    profile: orEmpty(ProxySettings.properties.securityModel.properties.profiles.items.properties.name),
    python: Type.String({ pattern: '^(3\\.[0-9]{1,2})?$' }),
    timeoutSeconds: count(1, 86400),
  }),
})
