import type { V1ConfigMap, V1Deployment } from '@kubernetes/client-node'
import t from 'tap'
import { parse } from 'yaml'
import { HELM_MAJORS } from '../cluster/tools/helm.ts'
import { helmMissing } from '../cluster/tools.ts'
import { CHART, renderChart } from '../support/chart.ts'
import { openHelm } from './helm.ts'

const skip = (await helmMissing()) ?? false

/** All of it at once, as an admin with bad luck would write it. */
const MISTYPED = {
  prefix: 'services/rexec',
  replicas: 2,
  image: { repository: 'registry.example.org/rexec\n      privileged: true', tag: 'a b' },
  hub: { apiURL: 'http://hub:8081/hub/api', serviceName: 'rexec"' },
  proxy: {
    replicaCount: 3,
    replicas: '3',
    service: { port: 0 },
    tolerations: [{ efect: 'NoSchedule' }],
    nodeSelector: { pool: 1 },
    extraEnv: [{ nam: 'A' }],
    priorityClassName: 'high\nhostNetwork: true',
    networkPolicy: { from: [{ podSelektor: {} }] },
    config: {
      limits: { bodyByte: 1024, serversPerUser: 0 },
      securityModel: { profiles: [{ nam: 'small', name: 'Small' }] },
      cluster: { kubernetes: { namespaces: { prefix: 'kube-users-' } } },
    },
  },
  broker: {
    service: { type: 'External', nodePort: '30559' },
    config: { queue: { maxByte: 3 } },
    podLabels: { 'a b': 'c' },
    resources: { limit: { memory: '1Gi' } },
  },
  metrics: { serviceMonitor: { interval: 30 } },
}

const NAMED = [
  "'/prefix'",
  "'replicas'",
  "'/image/repository'",
  "'/image/tag'",
  "'apiURL'",
  "'/hub/serviceName'",
  "'replicaCount'",
  "'/proxy/replicas'",
  "'/proxy/service/port'",
  "'efect'",
  "'/proxy/nodeSelector/pool'",
  "'nam'",
  "'/proxy/priorityClassName'",
  "'podSelektor'",
  "'bodyByte'",
  "'/proxy/config/limits/serversPerUser'",
  "'/proxy/config/securityModel/profiles/0/name'",
  "'/proxy/config/cluster/kubernetes/namespaces/prefix'",
  "'/broker/service/type'",
  "'/broker/service/nodePort'",
  "'maxByte'",
  "'a b'",
  "'limit'",
  "'/metrics/serviceMonitor/interval'",
]

for (const major of HELM_MAJORS) {
  t.test(`every mistyped or hostile value is named, Helm ${major}`, { skip }, async (t) => {
    const said = await (await openHelm(t, major)).refusal(MISTYPED)
    for (const name of NAMED) t.ok(said.includes(name), name)
  })
}

t.test('values that fit their types but not one another are named, with what to do', { skip }, async (t) => {
  const { refusal } = await openHelm(t, 3)
  const said = await refusal({
    rbac: { mode: 'namespaces' },
    hub: { apiToken: 'x'.repeat(32), existingSecret: { name: 'hub' } },
    serviceAccount: { create: false },
    proxy: {
      httpRoute: { enabled: true },
      autoscaling: { enabled: true, minReplicas: 9 },
      config: { identity: { authenticators: ['kubernetes'] } },
    },
  })
  for (const name of [
    'proxy.config.cluster.kubernetes.namespaces.given',
    'hub.apiToken',
    'serviceAccount.name',
    'proxy.httpRoute.parentRefs',
    'proxy.autoscaling.minReplicas',
    'rbac.tokenReview',
  ]) {
    t.match(said, `- ${name}: `)
  }
  t.match(await refusal({ fullnameOverride: '' }, '1st'), '- fullnameOverride: ')
  t.match(await refusal({ admissionPolicy: { create: false } }), '- admissionPolicy.create: ')
})

t.test(
  "the hub's address: with or without a slash at its end, and warned of beside another prefix",
  { skip },
  async (t) => {
    const helm = await openHelm(t, 4)
    for (const [publicUrl, prefix, told, passedOn] of [
      ['https://hub.example.org', '/services/rexec', 'https://hub.example.org/'],
      ['https://hub.example.org/', '/services/rexec', 'https://hub.example.org/'],
      ['https://hub.example.org/lab', '/lab/services/rexec', 'https://hub.example.org/lab/'],
      [
        'https://hub.example.org/lab/',
        '/services/rexec',
        'https://hub.example.org/lab/',
        '/lab/services/rexec',
      ],
      ['/', '/lab/services/rexec', '/', '/services/rexec'],
    ] as const) {
      const said = await helm.run(['install', 'rexec', CHART, '--dry-run=client'], {
        hub: { publicUrl },
        prefix,
      })
      t.match(said, `"publicUrl": "${told}"`)
      t.equal(/passes (\S+) on/.exec(said)?.[1], passedOn, publicUrl)
    }
  },
)

t.test('a section with nothing below it is named: it would take all defaults away', { skip }, async (t) => {
  const { refusal } = await openHelm(t, 4)
  const said = await refusal({
    hub: null,
    proxy: { service: null, config: null },
    broker: { credential: { existingSecret: null } },
  })
  t.match(said, /at '': missing property 'hub'/)
  t.match(said, /at '\/proxy': missing properties 'config', 'service'/)
  t.match(said, /at '\/broker\/credential': missing property 'existingSecret'/)
})

t.test('a secret in the wrong place or of a wrong form is not shown', { skip }, async (t) => {
  const secret = 'TheSecretItself'
  const values = [
    { hub: { apiToken: `${secret} ${'x'.repeat(5000)}` } },
    { hub: { apiToken: [secret] } },
    { hub: { apiToken: { [secret]: secret } } },
    { hub: { existingSecret: { name: 'a', key: 'b' }, apiToken: `${secret}${secret}` } },
    { proxy: { config: { broker: { credential: secret } } } },
    { proxy: { config: { identity: { jupyterhub: { apiToken: `${secret}\n` } } } } },
    { proxy: { config: { identity: { static: { users: [{ name: 'a', token: secret, wrong: secret }] } } } } },
  ]
  const { refusal } = await openHelm(t, 3)
  for (const value of values) {
    const said = await refusal(value)
    t.match(said, /apiToken|credential|users/)
    t.notMatch(said, secret, JSON.stringify(value).slice(0, 80))
  }
})

t.test('what reads like code in a value stays a text', { skip }, async (t) => {
  const text = '{{ fail "template" }} $HOME $(id) "\'\n- a: b'
  const objects = await renderChart({
    proxy: {
      podAnnotations: { note: text },
      extraEnv: [{ name: 'A', value: text }],
      config: { securityModel: { profiles: [{ name: 'small', description: text }] } },
    },
  })
  const find = (kind: string, name: string) =>
    objects.find((object) => object.kind === kind && object.metadata?.name === name)
  const deployment = find('Deployment', 'rexec-proxy') as V1Deployment
  const { metadata, spec } = deployment.spec!.template
  t.equal(metadata!.annotations!.note, text)
  t.hasStrict(spec!.containers[0]!.env!.at(-1), { name: 'A', value: text })
  const { data } = find('ConfigMap', 'rexec-proxy') as V1ConfigMap
  t.hasStrict(parse(data!['proxy.yaml']!), { securityModel: { profiles: [{ description: text }] } })
})
