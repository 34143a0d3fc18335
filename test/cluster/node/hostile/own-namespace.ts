/** What a user tries with kubectl who has the role "edit" in the own namespace. */
interface Attempt {
  tried: string
  must: string
  command?: string[]
  /** Or something to make. */
  manifest?: object
  held: RegExp
}

interface Names {
  namespace: string
  /** The other user's namespace, and the label of the other user. */
  alice: string
  aliceHash: string
  node: string
}

const FORBIDDEN = /Forbidden|forbidden/
const labels = (hash: string) => ({
  'app.kubernetes.io/managed-by': 'rexec',
  'app.kubernetes.io/instance': 'rexec',
  'rexec.dev/server': 'default',
  'rexec.dev/owner-hash': hash,
})
const container = {
  name: 'x',
  image: 'localhost/python:3.11',
  command: ['sleep', '1'],
  imagePullPolicy: 'Never',
}
const restricted = {
  runAsNonRoot: true,
  runAsUser: 1000,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}
const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec })

export const OWN_NAMESPACE = ({ namespace, alice, aliceHash, node }: Names): Attempt[] => [
  ...[
    ['get', 'pods', '--namespace', alice],
    ['get', 'secrets', '--namespace', alice],
    ['get', 'secrets', '--namespace', 'rexec'],
    ['get', 'secrets', '--namespace', 'kube-system'],
    ['delete', 'job', 'rexec-default', '--namespace', alice],
    ['create', 'token', 'rexec', '--namespace', alice],
    ['create', 'token', 'rexec-proxy', '--namespace', 'rexec'],
    ['create', 'rolebinding', 'more', '--clusterrole=cluster-admin', '--user=mallory'],
    ['get', 'pods', '--as=alice'],
    ['get', 'nodes'],
    ['get', 'namespaces'],
  ].map((command) => ({
    tried: `kubectl ${command.join(' ').replace(alice, "ALICE'S")}`,
    must: 'forbidden',
    command,
    held: FORBIDDEN,
  })),
  {
    tried: 'Pod Security of the own namespace switched off',
    must: 'forbidden',
    command: [
      'label',
      'namespace',
      namespace,
      'pod-security.kubernetes.io/enforce=privileged',
      '--overwrite',
    ],
    held: FORBIDDEN,
  },
  {
    tried: 'the own namespace given to alice, so that what runs in it counts as hers',
    must: 'forbidden',
    command: ['annotate', 'namespace', namespace, 'rexec.dev/owner=alice', '--overwrite'],
    held: FORBIDDEN,
  },
  {
    tried: 'the quota deleted',
    must: 'forbidden',
    command: ['delete', 'resourcequota', 'rexec'],
    held: FORBIDDEN,
  },
  {
    tried: 'a privileged pod',
    must: 'refused by Pod Security',
    manifest: pod({ containers: [{ ...container, securityContext: { privileged: true } }] }),
    held: /violates PodSecurity/,
  },
  {
    tried: "a pod with the node's disk, network and processes",
    must: 'refused by Pod Security',
    manifest: pod({
      hostNetwork: true,
      hostPID: true,
      containers: [{ ...container, securityContext: restricted }],
      volumes: [{ name: 'node', hostPath: { path: '/' } }],
    }),
    held: /violates PodSecurity.*host/,
  },
  {
    tried: 'pods that ask for a hundred cores',
    must: 'refused by the quota or the limits',
    manifest: pod({
      containers: [
        {
          ...container,
          securityContext: restricted,
          resources: { requests: { cpu: '100', memory: '100Gi' }, limits: { cpu: '100', memory: '100Gi' } },
        },
      ],
    }),
    held: /exceeded quota/,
  },
  {
    tried: "a pod on the node by name, with alice's labels and annotation",
    must: 'made, in the own namespace; alice does not see it',
    manifest: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'hers', labels: labels(aliceHash), annotations: { 'rexec.dev/owner': 'alice' } },
      spec: {
        nodeName: node,
        automountServiceAccountToken: false,
        containers: [{ ...container, securityContext: restricted }],
      },
    },
    held: /created/,
  },
  {
    tried: "a Job with the labels of rexec and alice's annotation",
    must: 'made, in the own namespace; nobody sees it as a server',
    manifest: {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: 'rexec-hers',
        labels: labels(aliceHash),
        annotations: { 'rexec.dev/owner': 'alice' },
      },
      spec: {
        suspend: true,
        template: {
          metadata: { labels: labels(aliceHash) },
          spec: { restartPolicy: 'Never', containers: [{ ...container, securityContext: restricted }] },
        },
      },
    },
    held: /created/,
  },
  {
    tried: 'the own policy deleted',
    must: 'done, as the role allows it; the next start of a server puts it back',
    command: ['delete', 'networkpolicy', 'rexec'],
    held: /deleted/,
  },
]
