import t from 'tap'
import { networkPolicy } from '../../../../proxy/cluster/kubernetes/network-policy.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'

const BROKERS = ['tcp://rexec-broker-0.rexec:5560', 'tcp://rexec-broker-1.rexec:5560']

const specWith = (network: object = {}, brokers = BROKERS) =>
  networkPolicy('rexec-alice', brokers, kubernetesSettings({ network })).spec

const brokerPods = {
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'rexec' } },
  podSelector: {
    matchLabels: {
      'app.kubernetes.io/name': 'rexec',
      'app.kubernetes.io/component': 'broker',
      'app.kubernetes.io/instance': 'rexec',
    },
  },
}

t.test('nothing in; out to DNS, the brokers and the internet', async (t) => {
  const spec = specWith()
  t.same(spec.podSelector, {}, 'all pods')
  t.same(spec.policyTypes, ['Ingress', 'Egress'])
  t.equal(spec.ingress, undefined)
  const [dns, brokers, internet, ...others] = spec.egress
  t.same(others, [])
  t.same(dns, {
    to: [
      {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      },
    ],
    ports: [
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 53 },
    ],
  })
  t.same(brokers, { to: [brokerPods], ports: [{ protocol: 'TCP', port: 5560 }] })
  t.same(Object.keys(internet!), ['to'])
  const [v4, v6] = internet!.to as { ipBlock: { cidr: string; except: string[] } }[]
  t.equal(v4!.ipBlock.cidr, '0.0.0.0/0')
  t.equal(v6!.ipBlock.cidr, '::/0')
  for (const range of ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '169.254.0.0/16'])
    t.ok(v4!.ipBlock.except.includes(range), range)
  for (const range of ['fc00::/7', 'fe80::/10']) t.ok(v6!.ipBlock.except.includes(range), range)
  t.ok(v4!.ipBlock.except.every((range) => !range.includes(':')))
  t.ok(v6!.ipBlock.except.every((range) => range.includes(':')))
})

t.test('metadata addresses stay out, whatever the settings call private', async (t) => {
  const { egress } = specWith({ privateRanges: [] })
  const excluded = (egress[2]!.to as { ipBlock: { except: string[] } }[]).flatMap(
    ({ ipBlock }) => ipBlock.except,
  )
  for (const address of ['169.254.169.254/32', 'fd00:ec2::254/128', '168.63.129.16/32', '100.100.100.200/32'])
    t.ok(excluded.includes(address), address)
})

t.test('each switch', async (t) => {
  const inside = { podSelector: {} }
  t.equal(specWith({ internet: false }).egress.length, 2)
  t.equal(specWith({ dns: [] }).egress.length, 2, 'no rule without a peer, which would mean everybody')
  const within = specWith({ withinNamespace: true })
  t.same(within.ingress, [{ from: [inside] }])
  t.same(within.egress.at(-1), { to: [inside] })
  const database = { to: [{ ipBlock: { cidr: '10.1.2.3/32' } }], ports: [{ protocol: 'TCP', port: 5432 }] }
  t.same(specWith({ egress: [database] }).egress.at(-1), database)
  const scraper = { from: [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }] }
  t.same(specWith({ ingress: [scraper] }).ingress, [scraper])
  const gateway = { ipBlock: { cidr: '203.0.113.7/32' } }
  t.same(specWith({ brokers: [gateway] }).egress[1]!.to, [gateway], 'instead of the pods of this release')
})

t.test('brokers by address, on all their ports', async (t) => {
  const { egress } = specWith({}, ['tcp://198.51.100.1:5560', 'tcp://[2001:db8::1]:6000', 'tcp://name:5560'])
  t.same(egress[1], {
    to: [brokerPods, { ipBlock: { cidr: '198.51.100.1/32' } }, { ipBlock: { cidr: '2001:db8::1/128' } }],
    ports: [
      { protocol: 'TCP', port: 5560 },
      { protocol: 'TCP', port: 6000 },
    ],
  })
})
