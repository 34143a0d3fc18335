import { isIP } from 'node:net'
import type { KubernetesObject } from '@kubernetes/client-node'
import { parseAddress } from '../../../common/address.ts'
import { BASELINE, INSTANCE, ownLabels } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** Where clouds hand credentials to whoever asks; never the internet, whatever the settings call private. */
const METADATA = [
  '169.254.169.254/32',
  // AWS: tasks, pods, IPv6.
  '169.254.170.2/32',
  '169.254.170.23/32',
  'fd00:ec2::254/128',
  // Azure: the agent's endpoint, a public address.
  '168.63.129.16/32',
  // Google, IPv6.
  'fd20:ce::254/128',
  // Alibaba, Oracle.
  '100.100.100.200/32',
  '192.0.0.192/32',
]

interface Rule {
  from?: object[]
  to?: object[]
  ports?: { protocol: string; port: number }[]
}

export interface NetworkPolicy extends KubernetesObject {
  spec: { podSelector: object; policyTypes: string[]; ingress?: Rule[]; egress: Rule[] }
}

/**
 * The policy of a namespace: nothing in, and out only what the settings allow. What it says of pods it says by selectors,
 * for an ipBlock matches neither pods nor the addresses of Services. Without any rule, `ingress` is left out: Kubernetes
 * does not store an empty list, so applying one would be a change each time.
 * @param brokers addresses of the brokers for servers, such as tcp://rexec-broker:5560
 */
export function networkPolicy(
  namespace: string,
  brokers: string[],
  settings: Pick<KubernetesSettings, 'network' | 'instance' | 'releaseNamespace'>,
): NetworkPolicy {
  const { dns, internet, privateRanges, withinNamespace, egress, ingress } = settings.network
  const inside = { podSelector: {} }
  const incoming = [...(withinNamespace ? [{ from: [inside] }] : []), ...ingress]
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: BASELINE, namespace, labels: ownLabels(settings.instance) },
    spec: {
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
      ...(incoming.length > 0 && { ingress: incoming }),
      egress: [
        // A rule without a peer would mean everybody.
        ...(dns.length > 0 ? [{ to: dns, ports: ports([53], ['UDP', 'TCP']) }] : []),
        { to: brokerPeers(brokers, settings), ports: ports(brokerPorts(brokers), ['TCP']) },
        ...(internet ? [{ to: internetPeers(privateRanges) }] : []),
        ...(withinNamespace ? [{ to: [inside] }] : []),
        ...egress,
      ],
    },
  }
}

function ports(numbers: number[], protocols: string[]) {
  return numbers.flatMap((port) => protocols.map((protocol) => ({ protocol, port })))
}

function brokerPorts(brokers: string[]): number[] {
  return [...new Set(brokers.map((address) => parseAddress(address).port))]
}

/** The brokers as selectors, and those that the settings name by a plain IP address. */
function brokerPeers(
  brokers: string[],
  {
    network,
    instance,
    releaseNamespace,
  }: Pick<KubernetesSettings, 'network' | 'instance' | 'releaseNamespace'>,
): object[] {
  const pods = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': releaseNamespace } },
    podSelector: {
      matchLabels: {
        'app.kubernetes.io/name': 'rexec',
        'app.kubernetes.io/component': 'broker',
        [INSTANCE]: instance,
      },
    },
  }
  const hosts = brokers.map((address) => parseAddress(address).host)
  const blocks = hosts.filter((host) => isIP(host)).map((ip) => ({ ipBlock: { cidr: single(ip) } }))
  return [...(network.brokers.length > 0 ? network.brokers : [pods]), ...blocks]
}

function single(ip: string): string {
  return `${ip}/${isIP(ip) === 4 ? 32 : 128}`
}

function internetPeers(privateRanges: string[]): object[] {
  const excluded = [...new Set([...privateRanges, ...METADATA])]
  return [
    { ipBlock: { cidr: '0.0.0.0/0', except: excluded.filter((range) => !range.includes(':')) } },
    { ipBlock: { cidr: '::/0', except: excluded.filter((range) => range.includes(':')) } },
  ]
}
