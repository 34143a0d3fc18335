import type { V1Container, V1Job, V1PodSpec } from '@kubernetes/client-node'
import { jobOfOurs } from './job-of-ours.ts'

/**
 * What somebody would try who has taken over the proxy's service account in mode "cluster". RBAC allows each of these
 * requests; the admission policies of the chart have to refuse it. Namespaces: rexec-alice is a
 * user's, "team" has nothing to do with rexec, rexec-lab belongs to another installation.
 */
export interface Attempt {
  title: string
  method: 'POST' | 'PATCH' | 'DELETE'
  path: string
  body?: object
  /** Of a patch. */
  type?: 'apply-patch+yaml' | 'merge-patch+json' | 'json-patch+json'
  /** What the refusal must say. */
  refusal: RegExp
}

const OWN = 'rexec-alice'
const labels = { 'app.kubernetes.io/managed-by': 'rexec', 'app.kubernetes.io/instance': 'rexec' }
const hash = { 'rexec.dev/owner-hash': '2bd806c97f0e00af1a1fc3328fa763a9269723c8' }
const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' }
const api = '/api/v1/namespaces'
const jobs = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/jobs`

const OWN_LABELS = /only namespaces that carry its own labels/
const PREFIX = /begins with its prefix/
const OWNER = /must name its owner/
const SAME_OWNER = /owner of a namespace cannot be changed/
const PSA = /must enforce the Pod Security Standard/
const WHERE = /only in namespaces that carry its own labels/
const OBJECT = /only objects that carry its own labels/
/** Two policies refuse it, and any of them may be the first. */
const JOB_WHERE =
  /only in namespaces that carry its own labels|labels of a server and of the namespace's owner/
const JOB_OBJECT = /only objects that carry its own labels|labels of a server and of the namespace's owner/
const ANY = /denied request/

const merge = (title: string, path: string, body: object, refusal: RegExp): Attempt => ({
  title,
  method: 'PATCH',
  path,
  body,
  type: 'merge-patch+json',
  refusal,
})
const remove = (title: string, path: string, refusal: RegExp): Attempt => ({
  title,
  method: 'DELETE',
  path,
  refusal,
})
const create = (title: string, path: string, body: object, refusal: RegExp): Attempt => ({
  title,
  method: 'POST',
  path,
  body,
  refusal,
})

/** A namespace like one of ours, but for what is given. */
const namespace = (metadata: { name?: string; labels?: object; annotations?: object }) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: 'rexec-bob',
    labels: { ...labels, ...hash, ...restricted },
    annotations: { 'rexec.dev/owner': 'bob' },
    ...metadata,
  },
})
const all = { ...labels, ...hash, ...restricted }

const namespaces: Attempt[] = [
  create('make a namespace without labels', api, namespace({ labels: {} }), OWN_LABELS),
  create(
    'make a namespace for another installation',
    api,
    namespace({ labels: { ...all, 'app.kubernetes.io/instance': 'lab' } }),
    OWN_LABELS,
  ),
  create('make a namespace of any name', api, namespace({ name: 'team-b' }), PREFIX),
  create(
    'make a namespace that looks like one of Kubernetes',
    api,
    namespace({ name: 'kube-rexec' }),
    PREFIX,
  ),
  create('make a namespace that belongs to nobody', api, namespace({ annotations: {} }), OWNER),
  create(
    'make a namespace without the hash of its owner',
    api,
    namespace({ labels: { ...labels, ...restricted } }),
    OWNER,
  ),
  create('make a namespace without Pod Security', api, namespace({ labels: { ...labels, ...hash } }), PSA),
  create(
    'make a namespace for privileged pods',
    api,
    namespace({ labels: { ...all, 'pod-security.kubernetes.io/enforce': 'privileged' } }),
    PSA,
  ),
  create(
    'make a namespace with an old version of Pod Security',
    api,
    namespace({ labels: { ...all, 'pod-security.kubernetes.io/enforce-version': 'v1.0' } }),
    PSA,
  ),
  ...['kube-system', 'default', 'team', 'rexec'].map((name) =>
    merge(
      `make ${name} a namespace of ours`,
      `${api}/${name}`,
      { metadata: { labels: all, annotations: { 'rexec.dev/owner': 'alice' } } },
      OWN_LABELS,
    ),
  ),
  merge(
    'pull a namespace over from another installation',
    `${api}/rexec-lab`,
    { metadata: { labels } },
    OWN_LABELS,
  ),
  merge(
    'take the owner of a namespace away',
    `${api}/${OWN}`,
    { metadata: { annotations: { 'rexec.dev/owner': null } } },
    OWNER,
  ),
  merge(
    'give a namespace another owner',
    `${api}/${OWN}`,
    { metadata: { annotations: { 'rexec.dev/owner': 'mallory' } } },
    SAME_OWNER,
  ),
  merge(
    'give a namespace the hash of another owner',
    `${api}/${OWN}`,
    { metadata: { labels: { 'rexec.dev/owner-hash': '0'.repeat(40) } } },
    SAME_OWNER,
  ),
  merge('take our labels off a namespace', `${api}/${OWN}`, { metadata: { labels: null } }, OWN_LABELS),
  merge(
    'give a namespace to another installation',
    `${api}/${OWN}`,
    { metadata: { labels: { 'app.kubernetes.io/instance': 'lab' } } },
    OWN_LABELS,
  ),
  merge(
    'allow privileged pods in a namespace',
    `${api}/${OWN}`,
    { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } } },
    PSA,
  ),
  ...['team', 'rexec-lab', 'rexec', 'rexec-unlabelled'].map((name) =>
    remove(`delete the namespace ${name}`, `${api}/${name}`, OWN_LABELS),
  ),
]

/** Places where nothing may be written, whatever it is. */
const FOREIGN = [
  'kube-system',
  'default',
  'rexec',
  'team',
  'rexec-lab',
  'rexec-unlabelled',
  'rexec-ownerless',
]

const secret = (type: string, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'rexec-new', labels, ...metadata },
  type,
})
const ofAJob = (owner: object = {}) => ({
  ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'rexec-new', uid: 'u', ...owner }],
})

const secrets: Attempt[] = [
  // Whoever may patch gets the whole object as the answer.
  ...['kube-system', 'rexec', 'team', OWN].map((name) =>
    merge(
      `read a secret in ${name} by a patch that changes nothing`,
      `${api}/${name}/secrets/precious`,
      {},
      name === OWN ? OBJECT : WHERE,
    ),
  ),
  merge(
    'read a secret by a patch that makes it ours',
    `${api}/${OWN}/secrets/precious`,
    { metadata: { labels } },
    OBJECT,
  ),
  {
    ...merge(
      'read a secret by applying our labels',
      `${api}/${OWN}/secrets/precious?fieldManager=rexec&force=true`,
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'precious', labels } },
      OBJECT,
    ),
    type: 'apply-patch+yaml',
  },
  {
    ...merge(
      'read a secret by a patch that is only tried',
      `${api}/${OWN}/secrets/precious?dryRun=All`,
      [{ op: 'test', path: '/metadata/name', value: 'precious' }],
      OBJECT,
    ),
    type: 'json-patch+json',
  },
  create(
    "have an account's token put into a secret",
    `${api}/${OWN}/secrets`,
    secret('kubernetes.io/service-account-token', {
      annotations: { 'kubernetes.io/service-account.name': 'rexec' },
    }),
    /only the secrets of its servers/,
  ),
  create('make a bootstrap token', `${api}/${OWN}/secrets`, secret('bootstrap.kubernetes.io/token'), ANY),
  create('make a secret of no Job', `${api}/${OWN}/secrets`, secret('Opaque'), /must belong to its Job/),
  create(
    'make a secret of another Job',
    `${api}/${OWN}/secrets`,
    secret('Opaque', ofAJob({ name: 'rexec-other' })),
    /must belong to its Job/,
  ),
  create(
    'make a secret of something else than a Job',
    `${api}/${OWN}/secrets`,
    secret('Opaque', ofAJob({ apiVersion: 'v1', kind: 'Pod' })),
    /must belong to its Job/,
  ),
  create(
    'make a secret without labels',
    `${api}/${OWN}/secrets`,
    secret('Opaque', { ...ofAJob(), labels: {} }),
    OBJECT,
  ),
  ...FOREIGN.map((name) =>
    create(
      `make a secret in ${name}`,
      `${api}/${name}/secrets`,
      { ...secret('kubernetes.io/dockerconfigjson'), stringData: { '.dockerconfigjson': '{}' } },
      WHERE,
    ),
  ),
]

const account = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, labels },
  automountServiceAccountToken: false,
  ...more,
})
const policy = (name: string) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, labels },
  spec: { podSelector: {}, ingress: [{}], policyTypes: ['Ingress'] },
})

const baseline: Attempt[] = [
  create(
    'make an account of any name',
    `${api}/${OWN}/serviceaccounts`,
    account('admin'),
    /only its own account/,
  ),
  merge(
    'give the default account a token again',
    `${api}/${OWN}/serviceaccounts/default`,
    { automountServiceAccountToken: true },
    /have no token/,
  ),
  merge(
    "give our account a secret's token",
    `${api}/${OWN}/serviceaccounts/rexec`,
    { secrets: [{ name: 'token' }] },
    /have no token/,
  ),
  merge(
    'change an account of somebody else in the namespace',
    `${api}/${OWN}/serviceaccounts/theirs`,
    { metadata: { labels } },
    OBJECT,
  ),
  ...FOREIGN.map((name) =>
    merge(
      `change the default account of ${name}`,
      `${api}/${name}/serviceaccounts/default`,
      { imagePullSecrets: [{ name: 'mine' }], automountServiceAccountToken: false },
      WHERE,
    ),
  ),
  create(
    'open the network of the namespace by another policy',
    `/apis/networking.k8s.io/v1/namespaces/${OWN}/networkpolicies`,
    policy('allow-all'),
    /only its own account, policy and quota/,
  ),
  create(
    'open the network of another namespace',
    '/apis/networking.k8s.io/v1/namespaces/team/networkpolicies',
    policy('rexec'),
    WHERE,
  ),
  create(
    'stop all pods of another namespace by a quota',
    `${api}/team/resourcequotas`,
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'rexec', labels },
      spec: { hard: { pods: '0' } },
    },
    WHERE,
  ),
]

type Parts = { job: V1Job; pod: V1PodSpec; worker: V1Container; agent: V1Container }

const bent = (title: string, refusal: RegExp, change: (parts: Parts) => void): Attempt =>
  create(`make a Job ${title}`, jobs(OWN), jobOfOurs(OWN, change), refusal)

const LABELLED = /labels of a server and of the namespace's owner/
const NODE = /shares nothing with its node/
const ORDINARY = /runs as an ordinary user/
const CONTAINER = /has no capability/
const VOLUMES = /mounts only empty folders/
const PROBES = /no probe but for its own port/
const VARIABLES = /no variable is taken from/
const SHAPE = /one worker and one agent/

const mount = ({ pod, worker }: Parts, source: object) => {
  pod.volumes!.push({ name: 'extra', ...source })
  worker.volumeMounts!.push({ name: 'extra', mountPath: '/extra' })
}

const shapes: Attempt[] = [
  bent('that mounts a folder of the node', VOLUMES, (parts) => mount(parts, { hostPath: { path: '/' } })),
  bent('that mounts an NFS share', VOLUMES, (parts) =>
    mount(parts, { nfs: { server: '10.0.0.1', path: '/' } }),
  ),
  bent('that mounts by a CSI driver', VOLUMES, (parts) =>
    mount(parts, { csi: { driver: 'secrets.csi.k8s.io' } }),
  ),
  bent('that mounts a config map', VOLUMES, (parts) =>
    mount(parts, { configMap: { name: 'kube-root-ca.crt' } }),
  ),
  bent('that mounts another secret', VOLUMES, (parts) =>
    mount(parts, { secret: { secretName: 'precious' } }),
  ),
  bent('that mounts a token', VOLUMES, (parts) =>
    mount(parts, { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }),
  ),
  bent('whose worker sees the credential', /only the agent mounts the secret/, ({ worker }) =>
    worker.volumeMounts!.push({ name: 'config', mountPath: '/config' }),
  ),
  bent('that takes a variable from a secret', VARIABLES, ({ worker }) =>
    worker.env!.push({ name: 'A', valueFrom: { secretKeyRef: { name: 'precious', key: 'password' } } }),
  ),
  bent('that takes all variables from a secret', VARIABLES, ({ worker }) => {
    worker.envFrom = [{ secretRef: { name: 'precious' } }]
  }),
  bent("in the node's network", NODE, ({ pod }) => {
    pod.hostNetwork = true
  }),
  bent("among the node's processes", NODE, ({ pod }) => {
    pod.hostPID = true
  }),
  bent("in the node's IPC", NODE, ({ pod }) => {
    pod.hostIPC = true
  }),
  bent('on a port of the node', NODE, ({ worker }) => {
    worker.ports = [{ containerPort: 80, hostPort: 80 }]
  }),
  bent('on a node of its choice', NODE, ({ pod }) => {
    pod.nodeName = 'control-plane'
  }),
  bent('that renames hosts', NODE, ({ pod }) => {
    pod.hostAliases = [{ ip: '10.0.0.1', hostnames: ['broker'] }]
  }),
  bent('that pushes all others off their node', /no priority of the system/, ({ pod }) => {
    pod.priorityClassName = 'system-node-critical'
  }),
  bent('that claims a device', /claims no devices/, ({ pod }) => {
    pod.resourceClaims = [{ name: 'gpu', resourceClaimName: 'gpu' }]
  }),
  bent('whose pod chooses an SELinux label', ORDINARY, ({ pod }) => {
    pod.securityContext!.seLinuxOptions = { type: 'spc_t' }
  }),
  bent('whose container chooses an SELinux label', CONTAINER, ({ worker }) => {
    worker.securityContext!.seLinuxOptions = { type: 'spc_t' }
  }),
  bent('without AppArmor', CONTAINER, ({ agent }) => {
    agent.securityContext!.appArmorProfile = { type: 'Unconfined' }
  }),
  bent('that mounts a volume made for it alone', VOLUMES, (parts) =>
    mount(parts, {
      ephemeral: {
        volumeClaimTemplate: {
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      },
    }),
  ),
  bent('whose containers see each other', /does not see the agent's processes/, ({ pod }) => {
    pod.shareProcessNamespace = true
  }),
  bent('whose probe makes the kubelet connect elsewhere', PROBES, ({ worker }) => {
    worker.readinessProbe = { httpGet: { host: '169.254.169.254', port: 80, path: '/' } }
  }),
  bent('whose own probe names a host', PROBES, ({ agent }) => {
    agent.readinessProbe!.tcpSocket!.host = '10.0.0.1'
  }),
  bent('with a hook', PROBES, ({ worker }) => {
    worker.lifecycle = { postStart: { exec: { command: ['true'] } } }
  }),
  bent('that is privileged', CONTAINER, ({ worker }) => {
    worker.securityContext = {
      ...worker.securityContext,
      privileged: true,
      allowPrivilegeEscalation: undefined,
    }
  }),
  bent('that may gain rights', CONTAINER, ({ worker }) => {
    worker.securityContext!.allowPrivilegeEscalation = true
  }),
  bent('with a capability', CONTAINER, ({ agent }) => {
    agent.securityContext!.capabilities = { drop: ['ALL'], add: ['NET_BIND_SERVICE'] }
  }),
  bent('with the capabilities of the runtime', CONTAINER, ({ worker }) => {
    worker.securityContext!.capabilities = {}
  }),
  bent('that writes to its image', CONTAINER, ({ worker }) => {
    worker.securityContext!.readOnlyRootFilesystem = false
  }),
  bent('whose container runs as root', CONTAINER, ({ worker }) => {
    worker.securityContext!.runAsUser = 0
  }),
  bent('without seccomp', CONTAINER, ({ worker }) => {
    worker.securityContext!.seccompProfile = { type: 'Unconfined' }
  }),
  bent('with a container without security', CONTAINER, ({ worker }) => {
    worker.securityContext = undefined
  }),
  bent('that runs as root', ORDINARY, ({ pod }) => {
    pod.securityContext!.runAsUser = 0
  }),
  bent('of a pod without seccomp', ORDINARY, ({ pod }) => {
    pod.securityContext!.seccompProfile = undefined
  }),
  bent('that sets kernel parameters', ORDINARY, ({ pod }) => {
    pod.securityContext!.sysctls = [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }]
  }),
  bent('under another account', /as the account "rexec"/, ({ pod }) => {
    pod.serviceAccountName = 'default'
  }),
  bent('with a token', /as the account "rexec"/, ({ pod }) => {
    pod.automountServiceAccountToken = true
  }),
  bent('with a second worker', SHAPE, ({ pod, worker }) => {
    pod.containers.push({ ...structuredClone(worker), name: 'miner' })
  }),
  bent('without an agent', SHAPE, ({ pod }) => {
    pod.initContainers = undefined
  }),
  bent('with something that runs first', SHAPE, ({ pod, agent }) => {
    pod.initContainers!.unshift({ ...structuredClone(agent), name: 'first' })
  }),
  bent('that starts before its secret is there', /created suspended/, ({ job }) => {
    job.spec!.suspend = false
  }),
  bent('that never ends', /must end/, ({ job }) => {
    job.spec!.activeDeadlineSeconds = undefined
  }),
  bent('that is never cleared away', /must end/, ({ job }) => {
    job.spec!.ttlSecondsAfterFinished = undefined
  }),
  bent('without limits', /requests and limits/, ({ worker }) => {
    worker.resources = {}
  }),
  bent('without our labels', JOB_OBJECT, ({ job }) => {
    // None at all would become those of its pods.
    job.metadata!.labels = { other: 'label' }
  }),
  bent('of another user', LABELLED, ({ job }) => {
    job.metadata!.annotations = { 'rexec.dev/owner': 'bob' }
  }),
  bent('whose pods pass for those of another user', LABELLED, ({ job }) => {
    job.spec!.template.metadata!.labels!['rexec.dev/owner-hash'] = '0'.repeat(40)
  }),
  bent('whose pods are not ours', LABELLED, ({ job }) => {
    job.spec!.template.metadata!.labels = {}
  }),
  bent('that is called otherwise', /called after its server/, ({ job }) => {
    job.metadata!.name = 'cron'
  }),
  bent('that goes when something else goes', /belongs to nothing else/, ({ job }) => {
    job.metadata!.ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'u' }]
  }),
  bent('that another controller looks after', /belongs to nothing else/, ({ job }) => {
    job.spec!.managedBy = 'example.org/controller'
  }),
]

const elsewhere: Attempt[] = [
  ...FOREIGN.map((name) => create(`make a Job in ${name}`, jobs(name), jobOfOurs(name), JOB_WHERE)),
  ...['team', 'rexec-lab'].map((name) => remove(`delete a Job in ${name}`, `${jobs(name)}/theirs`, WHERE)),
  remove('delete a Job of somebody else in the namespace', `${jobs(OWN)}/theirs`, OBJECT),
  merge(
    'change a Job of somebody else in the namespace',
    `${jobs(OWN)}/theirs`,
    { metadata: { labels } },
    ANY,
  ),
  merge(
    'unbind a Job from its owner',
    `${jobs(OWN)}/rexec-default`,
    { metadata: { annotations: null } },
    LABELLED,
  ),
  merge(
    'take a label off a Job',
    `${jobs(OWN)}/rexec-default`,
    { metadata: { labels: { 'app.kubernetes.io/instance': null } } },
    JOB_OBJECT,
  ),
  merge(
    'let a Job run for ever',
    `${jobs(OWN)}/rexec-default`,
    { spec: { activeDeadlineSeconds: null } },
    /must end/,
  ),
]

export const attempts: Attempt[] = [...namespaces, ...secrets, ...baseline, ...shapes, ...elsewhere]
