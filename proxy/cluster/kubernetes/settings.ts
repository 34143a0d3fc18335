import { type Static, Type } from 'typebox'
import { QUANTITY } from '../../security-model/quantity.ts'

const closed = { additionalProperties: false }
const section = { ...closed, default: {} }
export const SECRET_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/
export const MAX_PULL_SECRETS = 16
const LABEL = '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'
const seconds = (fallback: number, minimum: number, maximum: number, description: string) =>
  Type.Integer({ minimum, maximum, default: fallback, description })
const quantity = (fallback: string, description: string) =>
  Type.String({ pattern: QUANTITY, default: fallback, description })
/** Passed to Kubernetes as they are, which checks them. */
const anything = (description: string, fallback: object[] = []) =>
  Type.Array(Type.Object({}, { additionalProperties: true }), { default: fallback, description })
const texts = (description: string) => Type.Record(Type.String(), Type.String(), { default: {}, description })

const Namespaces = Type.Object(
  {
    mode: Type.Enum(['made', 'given'], {
      default: 'made',
      description:
        'made = rexec makes a namespace for each user (RBAC mode "cluster"); given = an administrator makes them beforehand, and rexec has rights in those alone (RBAC mode "namespaces").',
    }),
    prefix: Type.String({
      pattern: '^(?!kube-)[a-z]([-a-z0-9]{0,18}[a-z0-9])?-$',
      default: 'rexec-',
      description:
        'What the names of made namespaces begin with. After a change nothing is known any more of those with the old one.',
    }),
    given: Type.Record(Type.String(), Type.String({ pattern: LABEL }), {
      default: {},
      description:
        'Namespace by exact user name, for mode given. What each must carry is printed by `rexec namespaces` (docs/admin/namespaces.md).',
    }),
    labels: texts(
      'Further labels of made namespaces, such as those that a network policy of the hub asks for.',
    ),
    annotations: texts('Further annotations of made namespaces.'),
    deletionSeconds: seconds(
      20,
      0,
      120,
      'A request waits this long for a namespace that is being deleted; then it is told to come back.',
    ),
    whenUserVanishes: Type.Enum(['keep', 'delete'], {
      default: 'keep',
      description:
        'What becomes of the namespace of a user whom no authenticator knows any more. Servers are stopped in either case.',
    }),
    vanishedSeconds: seconds(
      86400,
      0,
      31536000,
      'A user counts as vanished after having been unknown for this time without a break. With whenUserVanishes delete: 3600 at least.',
    ),
    maxVanishedShare: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.5,
      description:
        'When more than this share of the users is unknown at once, and these are 5 or more, none of them is taken for vanished: the hub has rather lost them, or is another one. 1 means that it may be all.',
    }),
  },
  section,
)

const Network = Type.Object(
  {
    policies: Type.Boolean({
      default: true,
      description: 'Whether each namespace gets a NetworkPolicy that denies what is not allowed below.',
    }),
    dns: anything('Peers (NetworkPolicyPeer) that answer DNS, on port 53.', [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      },
    ]),
    brokers: anything(
      'Peers (NetworkPolicyPeer) that are the brokers, on the ports of broker.serverAddresses. Empty means the pods of this release (app.kubernetes.io/name: rexec, app.kubernetes.io/component: broker, and its instance) in releaseNamespace.',
    ),
    internet: Type.Boolean({
      default: true,
      description: 'Whether functions may reach the internet. Private ranges below are left out.',
    }),
    privateRanges: Type.Array(Type.String({ pattern: '^[0-9a-fA-F:.]+/[0-9]{1,3}$' }), {
      default: [
        '0.0.0.0/8',
        '10.0.0.0/8',
        '100.64.0.0/10',
        '127.0.0.0/8',
        '169.254.0.0/16',
        '172.16.0.0/12',
        '192.0.0.0/24',
        '192.168.0.0/16',
        '198.18.0.0/15',
        '224.0.0.0/4',
        '240.0.0.0/4',
        '::1/128',
        'fc00::/7',
        'fd00:ec2::254/128',
        'fe80::/10',
        'ff00::/8',
      ],
      description:
        "Not the internet: private networks and the metadata addresses of clouds. Add your cluster's own ranges if they are public ones.",
    }),
    withinNamespace: Type.Boolean({
      default: false,
      description: 'Whether pods of one namespace may reach one another.',
    }),
    egress: anything('Further rules (NetworkPolicyEgressRule), such as a database or a package index.'),
    ingress: anything(
      'Further rules (NetworkPolicyIngressRule), such as the scraper of a monitoring system.',
    ),
  },
  section,
)

/** Servers as Jobs of Kubernetes (docs/admin/kubernetes.md). */
export const KubernetesSettings = Type.Object(
  {
    kubeconfig: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          'File that says how to reach the API server. Without it: the service account of the pod.',
      }),
    ),
    instance: Type.String({
      pattern: LABEL,
      default: 'rexec',
      description:
        'Tells installations in one cluster apart: the label app.kubernetes.io/instance of all that this one makes. One never touches what another has made.',
    }),
    releaseNamespace: Type.String({
      pattern: LABEL,
      default: 'rexec',
      description: 'Where rexec itself runs. It never becomes the namespace of a user.',
    }),
    namespaces: Namespaces,
    requireConfinement: Type.Boolean({
      default: true,
      description:
        'Mode made: whether the proxy gets ready, and starts anything, only once the API server has refused it what the admission policies of the chart forbid (docs/admin/rbac.md). Off: it warns.',
    }),
    agent: Type.Object(
      {
        image: Type.String({
          minLength: 1,
          default: 'rexec:latest',
          description:
            'Image of rexec itself, in the version of the proxy, for the agent beside each worker.',
        }),
        imagePullPolicy: Type.Enum(['Always', 'IfNotPresent', 'Never'], {
          default: 'IfNotPresent',
          description: 'When it is pulled.',
        }),
        cpu: quantity(
          '100m',
          'Cores that it asks for; it may use ten times as many, to start and to pass on large results.',
        ),
        memory: quantity('192Mi', 'Its memory, asked for and limit.'),
        discoverySeconds: Type.Integer({
          minimum: 1,
          maximum: 3600,
          default: 5,
          description:
            'Time after which it looks the names in broker.serverAddresses up again, for brokers that have come or gone.',
        }),
      },
      section,
    ),
    imagePullSecrets: Type.Array(Type.String({ pattern: SECRET_NAME.source }), {
      default: [],
      maxItems: MAX_PULL_SECRETS,
      description: 'Secrets in releaseNamespace that are copied into each namespace, to pull images with.',
    }),
    packageIndex: Type.Object(
      {
        url: Type.Optional(
          Type.String({
            pattern: '^https?://',
            description: 'Package index for requirements, instead of PyPI.',
          }),
        ),
        trustedHosts: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description:
            'Hosts of an index whose certificate is not checked, or that has none (pip: --trusted-host).',
        }),
      },
      section,
    ),
    network: Network,
    quota: Type.Record(Type.String(), Type.String({ pattern: QUANTITY }), {
      default: {
        'count/jobs.batch': '20',
        'count/secrets': '50',
        'count/configmaps': '50',
        pods: '20',
        services: '0',
        'requests.cpu': '32',
        'requests.memory': '128Gi',
        'limits.memory': '128Gi',
        'limits.ephemeral-storage': '200Gi',
      },
      description: "Hard limits of each namespace's ResourceQuota; empty means none.",
    }),
    limitRange: Type.Object(
      {
        cpu: quantity('500m', 'Cores of a container that does not say.'),
        memory: quantity('512Mi', 'Memory of a container that does not say.'),
        ephemeralStorage: quantity('1Gi', 'Disk of a container that does not say.'),
      },
      { ...section, description: "Each namespace's LimitRange: for pods that are not of rexec." },
    ),
    requestSeconds: seconds(10, 1, 120, 'The API server must answer a request in this time.'),
    startSeconds: seconds(
      60,
      5,
      3600,
      'A start that was begun but not finished after this time (the proxy was killed) is cleared away.',
    ),
    unschedulableSeconds: seconds(
      300,
      5,
      86400,
      'A server for which the cluster has no room, or whose node cannot give it its volumes or network, fails after this time. Give an autoscaler the time it needs.',
    ),
    imagePullSeconds: seconds(60, 5, 86400, 'A server whose image cannot be pulled fails after this time.'),
    readySeconds: seconds(1800, 30, 86400, 'A server that is not ready after this time in all fails.'),
    drainSeconds: seconds(10, 0, 3600, 'When a server is stopped, running calls may go on for this time.'),
    stopSeconds: seconds(
      45,
      1,
      3600,
      'Beyond drainSeconds: whoever has stopped a server is told after this time that it has not ended yet.',
    ),
    keepSeconds: seconds(
      3600,
      0,
      2592000,
      'A server that has ended is still listed, with its reason and log, for this time.',
    ),
    reconcileSeconds: seconds(
      30,
      1,
      3600,
      'Time between looks for what has to be cleared away: interrupted starts, servers of vanished users.',
    ),
  },
  section,
)

export type KubernetesSettings = Static<typeof KubernetesSettings>
