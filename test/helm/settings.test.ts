import type { KubernetesObject } from '@kubernetes/client-node'
import t from 'tap'
import type { TObject } from 'typebox'
import { parse } from 'yaml'
import { BrokerSettings } from '../../broker/settings.ts'
import { checkSettings, loadSettings } from '../../common/settings.ts'
import type { Schema } from '../../helm/schema/settings.ts'
import { checkClusterSettings } from '../../proxy/cluster/check-settings.ts'
import { ProxySettings } from '../../proxy/settings.ts'
import { helmMissing } from '../cluster/tools.ts'
import { renderChart } from '../support/chart.ts'
import { sampleOf } from './sample.ts'

const skip = (await helmMissing()) ?? false

const PARTS = {
  proxy: {
    settings: ProxySettings,
    file: 'proxy.yaml',
    values: { rbac: { mode: 'namespaces', tokenReview: true } },
  },
  broker: { settings: BrokerSettings, file: 'broker.yaml', values: {} },
}

/** Settings that have a value of their own or follow from others, so that proxy.config and broker.config refuse them. */
const ELSEWHERE = {
  proxy: [
    'broker.credential',
    'broker.serverAddresses',
    'cluster.kind',
    'cluster.kubernetes.kubeconfig',
    'cluster.kubernetes.namespaces.mode',
    'cluster.kubernetes.releaseNamespace',
    'identity.jupyterhub.apiToken',
    'identity.jupyterhub.apiUrl',
    'identity.static.users',
    'metrics.port',
    'port',
    'prefix',
  ],
  broker: ['admin.port', 'clients.port', 'proxy.credentialFile', 'proxy.url', 'servers.port'],
}

const SECRETS = {
  'broker.credential': 'x'.repeat(32),
  'identity.static.users': [{ name: 'alice', token: 'x'.repeat(32) }],
}

/** The settings file of a part, as its pods find it. */
function settingsIn(objects: KubernetesObject[], file: string): unknown {
  const maps = objects as { kind?: string; data?: Record<string, string> }[]
  return parse(maps.find(({ kind, data }) => kind === 'ConfigMap' && data?.[file])!.data![file]!)
}

function settingOf(object: unknown, path: string): unknown {
  return path.split('.').reduce((here, name) => (here as Record<string, unknown> | undefined)?.[name], object)
}

for (const [part, { settings, file, values }] of Object.entries(PARTS)) {
  const elsewhere = ELSEWHERE[part as keyof typeof PARTS]
  const render = (config: unknown) =>
    renderChart({ ...values, [part]: { config } }).then((objects) => settingsIn(objects, file))

  t.test(`every setting of the ${part} can be set by ${part}.config`, { skip }, async (t) => {
    const sample = sampleOf(settings as unknown as Schema, elsewhere)
    const rendered = await render(sample)
    t.hasStrict(rendered, sample as object)
    const checked = checkSettings(settings as TObject, rendered, part === 'proxy' ? SECRETS : {})
    t.hasStrict(checked, sample as object, 'and fits')
  })

  t.test(
    `what has a value of its own is refused in ${part}.config, with what to do instead`,
    { skip },
    async (t) => {
      const whole = sampleOf(settings as unknown as Schema)
      const error = await render(whole).then(
        () => t.fail(),
        (error: Error) => error.message,
      )
      const refused = [...`${error}`.matchAll(/- (?:proxy|broker)\.config\.(\S+): not here; .{8}/g)].map(
        ([, name]) => name,
      )
      t.same(refused.sort(), elsewhere)
      for (const path of elsewhere) t.ok(settingOf(whole, path) !== undefined, `${path} was tried`)
    },
  )
}

t.test('what is refused in proxy.config and broker.config follows from other values', { skip }, async (t) => {
  const objects = await renderChart(
    {
      prefix: '/base/services/rexec',
      hub: { apiUrl: 'http://hub.other:8081/hub/api', publicUrl: 'https://hub.example.org/base/' },
      proxy: {
        service: { port: 8080 },
        config: { cluster: { kubernetes: { namespaces: { given: { alice: 'alice' } } } } },
      },
      broker: { replicas: 3, externalAddress: 'tcp://rexec.example.org:30559' },
      rbac: { mode: 'namespaces' },
      image: { repository: 'registry.example.org/rexec', digest: `sha256:${'0'.repeat(64)}` },
      imagePullSecrets: ['pull'],
    },
    { release: 'r', namespace: 'n' },
  )
  const proxy = loadSettings(ProxySettings, JSON.stringify(settingsIn(objects, 'proxy.yaml')), {
    'broker.credential': 'x'.repeat(32),
  })
  checkClusterSettings(proxy)
  t.match(proxy, {
    prefix: '/base/services/rexec',
    port: 10101,
    publicUrl: 'https://hub.example.org',
    identity: { authenticators: ['jupyterhub'], jupyterhub: { apiUrl: 'http://hub.other:8081/hub/api' } },
    broker: {
      clientAddress: 'tcp://r-rexec-broker.n.svc:5559',
      externalAddress: 'tcp://rexec.example.org:30559',
      serverAddresses: ['tcp://r-rexec-broker-servers.n.svc:5560'],
    },
    cluster: {
      kind: 'kubernetes',
      kubernetes: {
        releaseNamespace: 'n',
        namespaces: { mode: 'given' },
        agent: { image: `registry.example.org/rexec@sha256:${'0'.repeat(64)}` },
        imagePullSecrets: ['pull'],
      },
    },
  })
  const broker = loadSettings(BrokerSettings, JSON.stringify(settingsIn(objects, 'broker.yaml')))
  t.match(broker, {
    clients: { port: 5559 },
    servers: { port: 5560 },
    admin: { port: 9559 },
    proxy: { url: 'http://r-rexec-proxy.n.svc:8080/base/services/rexec' },
  })
})
