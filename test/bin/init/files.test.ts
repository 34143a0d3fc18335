import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { answerAll, defaults, readAnswers } from '../../../bin/init/ask.ts'
import { type Plan, planOf } from '../../../bin/init/plan.ts'
import { type Name, QUESTIONS } from '../../../bin/init/questions.ts'
import { stepsOf } from '../../../bin/init/steps.ts'
import { valuesOf } from '../../../bin/init/values.ts'
import { z2jhSecret, z2jhValues } from '../../../bin/init/z2jh.ts'
import { loadSettings } from '../../../common/settings.ts'
import { checkClusterSettings } from '../../../proxy/cluster/check-settings.ts'
import { createSecurityModel } from '../../../proxy/security-model/approve.ts'
import { ProxySettings } from '../../../proxy/settings.ts'
import { runProgram } from '../../cluster/images/program.ts'
import { helmMissing, helmTool } from '../../cluster/tools.ts'
import { CHART } from '../../support/chart.ts'

const skip = (await helmMissing()) ?? false

async function plan(answers: Partial<Record<Name, string>> = {}): Promise<Plan> {
  return planOf(await answerAll(new Map(Object.entries(answers)) as Map<Name, string>, defaults))
}

/** Everything that the chart makes of the values, which its schema has let pass, and the proxy's settings among it. */
async function install(folder: string, made: Plan) {
  const file = join(folder, 'values.yaml')
  await writeFile(file, valuesOf(made))
  const args = ['template', 'rexec', CHART, '--namespace', made.namespace, '-f', file]
  const text = await runProgram(await helmTool(3), args)
  const objects = parseAllDocuments(text).flatMap((document) => document.toJS() ?? [])
  // biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes, of any kind
  const of = (kind: string, name: string): any =>
    objects.find((object) => object.kind === kind && object.metadata.name === name)
  const settings = loadSettings(ProxySettings, of('ConfigMap', 'rexec-proxy').data['proxy.yaml'], {
    'broker.credential': 'x'.repeat(32),
  })
  checkClusterSettings(settings)
  createSecurityModel(settings.securityModel)
  return { of, settings }
}

t.test('the values make what was asked for', { skip }, async (t) => {
  t.test('with all defaults: beside a zero-to-jupyterhub', async (t) => {
    const made = await plan()
    const { of, settings } = await install(t.testdir(), made)
    t.match(settings.identity, {
      authenticators: ['jupyterhub'],
      jupyterhub: { apiUrl: 'http://hub.jhub:8081/hub/api', serviceName: 'rexec' },
    })
    t.match(settings.securityModel.profiles, [
      { pythons: { '3.12': 'python:3.12-slim' }, cpu: { default: '1', max: '4' }, memory: { max: '8Gi' } },
    ])
    t.equal(settings.cluster.kubernetes.network.internet, true)
    t.equal(of('Secret', 'rexec-hub-token'), undefined, "the hub's own secret is used")
    t.match(JSON.stringify(of('Deployment', 'rexec-proxy')), '"key":"hub.services.rexec.apiToken"')
    t.ok(of('Service', 'rexec-proxy'), 'the hub finds it by this name')
    t.equal(made.upstream, 'http://rexec-proxy.jhub:80')
    t.notMatch(stepsOf(made, 'out'), /create (namespace|secret)/)
  })

  t.test('in a namespace of its own, for groups, with a NodePort and a base_url', async (t) => {
    const made = await plan({
      'hub.publicUrl': 'https://hub.example.org/lab',
      namespace: 'rexec',
      'image.repository': 'registry.example.org/rexec',
      'image.tag': '1.2.3',
      'broker.reach': 'nodeport',
      'broker.nodePort': '30777',
      'broker.externalAddress': 'node.example.org:30777',
      'access.groups': 'staff, Die Physiker',
      'profile.pythons': '3.11',
      'profile.cpu': '500m',
      'profile.memory': '256Mi',
      'network.internet': 'no',
    })
    const { of, settings } = await install(t.testdir(), made)
    t.equal(settings.prefix, '/lab/services/rexec')
    t.equal(settings.publicUrl, 'https://hub.example.org')
    t.equal(settings.identity.jupyterhub?.apiUrl, 'http://hub.jhub:8081/lab/hub/api')
    t.equal(settings.broker.externalAddress, 'tcp://node.example.org:30777')
    t.match(settings.securityModel.profiles, [{ cpu: { default: '500m' }, memory: { default: '256Mi' } }])
    t.same(Object.keys(settings.securityModel.profiles[0]!.pythons), ['3.11'])
    t.equal(settings.cluster.kubernetes.network.internet, false)
    t.match(of('Service', 'rexec-broker').spec, { type: 'NodePort', ports: [{ nodePort: 30777 }] })
    t.match(of('Deployment', 'rexec-proxy').spec.template.spec.containers, [
      { image: 'registry.example.org/rexec:1.2.3' },
    ])
    t.match(JSON.stringify(of('Deployment', 'rexec-proxy')), '"name":"rexec-hub","items":[{"key":"token"')

    const hub = parse(z2jhValues(made))
    const access = 'access:services!service=rexec'
    t.match(hub.hub.services.rexec, { url: 'http://rexec-proxy.rexec:80', oauth_no_confirm: true })
    t.same(hub.hub.loadRoles['rexec-users'], { scopes: [access], groups: ['staff', 'Die Physiker'] })
    t.same(hub.hub.loadRoles.server.scopes, ['users:activity!user', 'access:servers!server', access])
    t.notOk('user' in hub.hub.loadRoles, 'what every user may stays as it is')
    t.equal(hub.hub.networkPolicy.interNamespaceAccessLabels, 'accept')
    t.equal(hub.singleuser.extraEnv.REXEC_URL, 'https://hub.example.org/lab/services/rexec')
    for (const [{ egress }, pods, port] of [
      [hub.singleuser.networkPolicy, of('StatefulSet', 'rexec-broker'), 5559],
      [hub.proxy.chp.networkPolicy, of('Deployment', 'rexec-proxy'), 10101],
    ]) {
      const { containers } = pods.spec.template.spec
      t.match(pods.spec.template.metadata.labels, egress[0].to[0].podSelector.matchLabels)
      t.match(containers[0].ports, [{ containerPort: port }])
      t.match(egress[0], { to: [{ namespaceSelector: {} }], ports: [{ port }] })
    }
    t.match(parse(z2jhSecret(made, 'abc')), { hub: { services: { rexec: { apiToken: 'abc' } } } })
    t.match(
      stepsOf(made, 'out'),
      /kubectl create secret generic rexec-hub -n rexec --from-file=token=out\/hub-token/,
    )
    t.match(stepsOf(made, 'out'), /-f out\/hub-values\.yaml -f out\/hub-secret\.yaml/)
  })

  t.test('another hub in the cluster, with namespaces that the administrator makes', async (t) => {
    const made = await plan({
      'hub.kind': 'other',
      'hub.namespace': 'lab',
      'hub.publicUrl': 'https://lab.example.org',
      'hub.apiUrl': 'http://jupyter.lab:8081/hub/api',
      'rbac.mode': 'namespaces',
      'rbac.users': "alice, o'neill",
      'broker.reach': 'loadbalancer',
    })
    const { of, settings } = await install(t.testdir(), made)
    t.equal(settings.cluster.kubernetes.namespaces.mode, 'given')
    t.same(Object.keys(settings.cluster.kubernetes.namespaces.given), ['alice', "o'neill"])
    t.equal(of('ClusterRole', 'rexec-proxy'), undefined)
    const policy = JSON.stringify(of('NetworkPolicy', 'rexec-proxy').spec)
    t.match(policy, '"kubernetes.io/metadata.name":"lab"')
    t.match(stepsOf(made, 'out'), String.raw`'alice' 'o'\''neill' | kubectl apply -f -`)
    t.match(stepsOf(made, 'out'), /kubectl get service -n rexec rexec-broker/)
  })

  t.test('a hub outside the cluster', async (t) => {
    const made = await plan({
      'hub.kind': 'other',
      'hub.namespace': '-',
      'hub.publicUrl': 'https://hub.example.org/',
      'hub.apiUrl': 'https://hub.example.org:8081/hub/api/',
      'hub.serviceUrl': 'http://node.example.org:30080',
    })
    const { of, settings } = await install(t.testdir(), made)
    t.equal(settings.identity.jupyterhub?.apiUrl, 'https://hub.example.org:8081/hub/api')
    t.equal(of('Service', 'rexec-proxy').spec.type, 'NodePort')
    t.equal(made.upstream, 'http://node.example.org:30080')
  })
})

t.test('the page for administrators names every question, and its example is one', async (t) => {
  const page = await readFile(join(import.meta.dirname, '../../../docs/admin/init.md'), 'utf8')
  for (const { name } of QUESTIONS) t.match(page, `\`${name}\``)
  const [, example] = /```yaml\n([\s\S]*?)```/.exec(page)!
  await writeFile(join(t.testdir(), 'answers.yaml'), example!)
  const answers = await readAnswers(join(t.testdirName, 'answers.yaml'))
  t.match(await answerAll(answers, defaults), {
    'hub.publicUrl': 'https://hub.example.org/',
    'access.groups': ['science'],
    'profile.pythons': ['3.11', '3.12'],
  })
})
