import { IMAGES } from '../images/images.ts'
import { DNS_SERVICE } from './control-plane.ts'

const name = 'kube-dns'
const namespace = 'kube-system'
/** What policies all over the world select it by. */
const labels = { 'k8s-app': name }

/** CoreDNS as real clusters have it: pods of kube-system behind a Service. @param program path of coredns on the node */
export function dnsManifest(program: string): object[] {
  const subject = { kind: 'ServiceAccount', name, namespace }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name },
      rules: [
        { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { Corefile: COREFILE } },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, labels },
      spec: {
        clusterIP: DNS_SERVICE,
        selector: labels,
        ports: [
          { name: 'dns', port: 53, protocol: 'UDP' },
          { name: 'dns-tcp', port: 53, protocol: 'TCP' },
        ],
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec(program) },
      },
    },
  ]
}

/** Names outside the cluster do not exist: there is no way to them either. */
const COREFILE = `cluster.local:53 in-addr.arpa:53 {
  errors
  ready
  kubernetes cluster.local in-addr.arpa {
    ttl 1
  }
}
.:53 {
  template ANY ANY . {
    rcode NXDOMAIN
  }
}
`

function podSpec(program: string): object {
  return {
    serviceAccountName: name,
    dnsPolicy: 'Default',
    priorityClassName: 'system-cluster-critical',
    containers: [
      {
        name: 'coredns',
        image: IMAGES.debian,
        imagePullPolicy: 'Never',
        command: ['/coredns', '-conf', '/etc/coredns/Corefile'],
        readinessProbe: { httpGet: { path: '/ready', port: 8181 }, periodSeconds: 1 },
        volumeMounts: [
          { name: 'program', mountPath: '/coredns', readOnly: true },
          { name: 'configuration', mountPath: '/etc/coredns', readOnly: true },
        ],
      },
    ],
    volumes: [
      { name: 'program', hostPath: { path: program, type: 'File' } },
      { name: 'configuration', configMap: { name } },
    ],
  }
}
