const existing = (name: string, key: string) => ({ existingSecret: { name, key } })

/** Nothing is made by chance, as GitOps tools need it. */
export const EXISTING_SECRETS = {
  hub: existing('hub', 'hub.services.rexec.apiToken'),
  proxy: { signingKey: existing('rexec-keys', 'signing-key') },
  broker: { credential: existing('rexec-keys', 'credential') },
}

const pods = {
  nodeSelector: { pool: 'core' },
  tolerations: [{ key: 'hub.jupyter.org/dedicated', operator: 'Equal', value: 'core', effect: 'NoSchedule' }],
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'topology.kubernetes.io/zone',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { team: 'core' } },
    },
  ],
  priorityClassName: 'system-cluster-critical',
  podAnnotations: { 'example.org/note': 'a: "b"' },
  podLabels: { team: 'core' },
  extraEnv: [
    { name: 'NODE_EXTRA_CA_CERTS', value: '/etc/ca/ca.crt' },
    { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'other', key: 'password' } } },
  ],
  extraVolumes: [{ name: 'ca', configMap: { name: 'ca' } }],
  extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/ca', readOnly: true }],
  resources: { requests: { cpu: 0.5, memory: '1Gi' }, limits: { cpu: 2, memory: '4Gi' } },
}
const on = { enabled: true }
const profiles = [
  { name: 'small', pythons: { '3.12': 'registry.example.org/python:3.12' } },
  {
    name: 'gpu',
    pythons: { '3.13': 'registry.example.org/cuda:12' },
    pod: { nodeSelector: { pool: 'gpu' }, tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }] },
    gpu: { max: 2 },
  },
]

/** Everything that can be switched on. */
const EVERYTHING = {
  ...EXISTING_SECRETS,
  imagePullSecrets: ['pull'],
  image: { repository: 'registry.example.org/rexec', tag: '1.2.3', digest: `sha256:${'0'.repeat(64)}` },
  agent: { image: { repository: 'mirror.example.org/rexec', tag: '1.2.3', pullPolicy: 'Always' } },
  prefix: '/base/services/rexec',
  proxy: {
    ...EXISTING_SECRETS.proxy,
    ...pods,
    config: {
      securityModel: { profiles },
      identity: { authenticators: ['jupyterhub', 'kubernetes'] },
      cluster: { kubernetes: { namespaces: { whenUserVanishes: 'delete' } } },
    },
    service: { type: 'LoadBalancer', port: 8080, annotations: { 'example.org/internal': 'true' } },
    ingress: {
      ...on,
      className: 'nginx',
      annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '1m' },
      hosts: ['hub.example.org', '*.example.org'],
      tls: [{ hosts: ['hub.example.org'], secretName: 'tls' }],
    },
    httpRoute: {
      ...on,
      annotations: { a: 'b' },
      parentRefs: [{ name: 'gateway', namespace: 'gateways', sectionName: 'https' }],
      hostnames: ['hub.example.org'],
    },
    autoscaling: on,
    networkPolicy: { egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 443 }] }] },
    podDisruptionBudget: { maxUnavailable: '50%' },
  },
  broker: {
    ...EXISTING_SECRETS.broker,
    ...pods,
    config: { queue: { maxBytes: 3_000_000_000 }, drainSeconds: 60 },
    replicas: 3,
    externalAddress: 'tcp://rexec.example.org:5559',
    service: {
      type: 'LoadBalancer',
      nodePort: 30559,
      annotations: { a: 'b' },
      loadBalancerClass: 'example.org/lb',
      loadBalancerSourceRanges: ['192.0.2.0/24'],
      externalTrafficPolicy: 'Local',
    },
  },
  rbac: { tokenReview: true },
  serviceAccount: { name: 'account', annotations: { 'example.org/role': 'none' } },
  prePuller: {
    hook: on,
    continuous: on,
    extraImages: ['registry.example.org/science:1'],
    pause: { image: 'registry.example.org/pause:3.10' },
    priorityClassName: 'low',
  },
  metrics: {
    serviceMonitor: {
      ...on,
      labels: { release: 'prometheus' },
      scrapeTimeout: '10s',
      metricRelabelings: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'nodejs_gc_.*' }],
    },
    dashboard: { ...on, annotations: { grafana_folder: 'JupyterHub' } },
    alerts: { ...on, labels: { release: 'prometheus' } },
  },
  tests: { profile: 'small', python: '3.12' },
}

/** Values that an admin may have, each of which must be a release that Kubernetes takes. */
export const RELEASES: Record<string, Record<string, unknown>> = {
  'the defaults': {},
  'a hub of zero-to-jupyterhub': {
    image: { repository: 'registry.example.org/rexec', tag: '1.2.3' },
    hub: { publicUrl: 'https://hub.example.org/', existingSecret: EXISTING_SECRETS.hub.existingSecret },
  },
  everything: EVERYTHING,
  'namespaces that an admin makes': {
    ...EXISTING_SECRETS,
    proxy: {
      ...EXISTING_SECRETS.proxy,
      config: {
        cluster: { kubernetes: { namespaces: { given: { alice: 'users-alice', bob: 'users-bob' } } } },
      },
    },
    rbac: { mode: 'namespaces' },
    admissionPolicy: { create: false },
    imagePullSecrets: ['pull'],
  },
  'everything off, a NodePort': {
    ...EXISTING_SECRETS,
    rbac: { create: false },
    admissionPolicy: { create: false },
    serviceAccount: { create: false, name: 'mine' },
    proxy: {
      ...EXISTING_SECRETS.proxy,
      replicas: 1,
      networkPolicy: { enabled: false },
      podDisruptionBudget: { enabled: false },
    },
    broker: {
      ...EXISTING_SECRETS.broker,
      replicas: 1,
      service: { type: 'NodePort', nodePort: 30559 },
      networkPolicy: { enabled: false },
      podDisruptionBudget: { enabled: false },
    },
  },
  'no hub: tokens of Kubernetes': {
    ...EXISTING_SECRETS,
    fullnameOverride: 'functions',
    rbac: { tokenReview: true },
    proxy: { ...EXISTING_SECRETS.proxy, config: { identity: { authenticators: ['kubernetes'] } } },
    tests: { existingSecret: { name: 'token', key: 'token' } },
    metrics: { from: [] },
  },
}
