import t, { type Test } from 'tap'
import type { NamespaceChange } from '../../../../proxy/cluster/cluster.ts'
import type { Api } from '../../../../proxy/cluster/kubernetes/api.ts'
import { createBaseline } from '../../../../proxy/cluster/kubernetes/baseline.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import { networkPolicy } from '../../../../proxy/cluster/kubernetes/network-policy.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { BROKERS, testApi } from '../../../support/kubernetes-cluster.ts'
import { user } from '../../../support/local-cluster.ts'

const LABELS = { 'app.kubernetes.io/managed-by': 'rexec', 'app.kubernetes.io/instance': 'rexec' }
const POLICY = 'networkpolicies.networking.k8s.io'

t.test('what each namespace gets', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const { kubectl } = server
  await kubectl('create', 'namespace', 'rexec')

  /** Puts it into the namespace of a user, which is made when it is missing. */
  async function applyTo(
    t: Test,
    owner: string,
    given: object = {},
    noted: (change: NamespaceChange) => void = () => {},
  ): Promise<string> {
    const [api, settings] = [testApi(t, server.kubeconfig), kubernetesSettings(given)]
    const { name } = await createNamespaces(api, settings).ensure(user(owner))
    await createBaseline(api, settings, BROKERS).apply(name, noted)
    return name
  }
  const read = async (namespace: string, kind: string, name = 'rexec') =>
    JSON.parse(await kubectl('get', kind, name, '-n', namespace, '-o', 'json'))
  const names = async (namespace: string, kind: string) =>
    (await kubectl('get', kind, '-n', namespace, '-o', 'name')).trim().split('\n').filter(Boolean)
  const patch = (namespace: string, kind: string, name: string, change: object) =>
    kubectl('patch', kind, name, '-n', namespace, '--type=merge', '-p', JSON.stringify(change))

  t.test('by default', async (t) => {
    const name = await applyTo(t, 'alice')
    const policy = await read(name, POLICY)
    t.match(policy.metadata.labels, LABELS)
    t.same(policy.spec, networkPolicy(name, BROKERS, kubernetesSettings()).spec)
    const quota = await read(name, 'resourcequota')
    t.match(quota.spec, { hard: { 'count/jobs.batch': '20', services: '0', 'limits.memory': '128Gi' } })
    const { limits } = (await read(name, 'limitrange')).spec
    const amounts = { cpu: '500m', memory: '512Mi', 'ephemeral-storage': '1Gi' }
    t.same(limits, [{ type: 'Container', default: amounts, defaultRequest: amounts }])
    const account = await read(name, 'serviceaccount')
    t.equal(account.automountServiceAccountToken, false)
    t.match(account.metadata.labels, LABELS)
    const ordinary = await read(name, 'serviceaccount', 'default')
    t.equal(ordinary.automountServiceAccountToken, false)
    t.equal(ordinary.metadata.labels, undefined, 'Kubernetes’ own account gets no label')
    t.same(await names(name, 'secrets'), [])
  })

  t.test('done again, it writes nothing', async (t) => {
    const name = await applyTo(t, 'alice')
    const kinds = [POLICY, 'limitrange', 'serviceaccount', 'resourcequota']
    const versions = async () => Promise.all(kinds.map(async (kind) => (await read(name, kind)).metadata))
    const before = await versions()
    await applyTo(t, 'alice', {}, ({ object }) => t.fail(`${object} was put back`))
    t.same(await versions(), before)
  })

  t.test('what somebody has changed or added is put back', async (t) => {
    const name = await applyTo(t, 'bob')
    const wanted = await read(name, POLICY)
    await patch(name, POLICY, 'rexec', {
      spec: {
        ingress: [{}],
        egress: [{}],
        policyTypes: ['Ingress'],
        podSelector: { matchLabels: { none: 'these' } },
      },
    })
    await patch(name, 'resourcequota', 'rexec', {
      spec: { hard: { pods: '5000', 'count/pods': '1' } },
    })
    await patch(name, 'limitrange', 'rexec', { spec: { limits: [] } })
    for (const account of ['rexec', 'default'])
      await patch(name, 'serviceaccount', account, { automountServiceAccountToken: true })
    const restored: unknown[] = []
    await applyTo(t, 'bob', {}, ({ object }) => restored.push(object))
    t.same(restored.toSorted(), ['LimitRange', 'NetworkPolicy', 'ResourceQuota', 'ServiceAccount'])
    t.same((await read(name, POLICY)).spec, wanted.spec)
    const { spec } = await read(name, 'resourcequota')
    t.same(spec, { hard: kubernetesSettings().quota })
    t.equal((await read(name, 'limitrange')).spec.limits.length, 1)
    for (const account of ['rexec', 'default'])
      t.equal((await read(name, 'serviceaccount', account)).automountServiceAccountToken, false, account)
  })

  t.test('what was deleted is there again', async (t) => {
    const name = await applyTo(t, 'bob')
    await kubectl('delete', `${POLICY},resourcequota,limitrange,serviceaccount`, 'rexec', '-n', name)
    await applyTo(t, 'bob')
    for (const kind of [POLICY, 'resourcequota', 'limitrange', 'serviceaccount'])
      t.equal((await read(name, kind)).metadata.name, 'rexec')
  })

  t.test('what an administrator switches off goes, if rexec has made it', async (t) => {
    const off = { network: { policies: false }, quota: {} }
    const name = await applyTo(t, 'carol')
    t.same(await names(name, `${POLICY},resourcequota`), [
      `${POLICY.replace('policies.', 'policy.')}/rexec`,
      'resourcequota/rexec',
    ])
    await applyTo(t, 'carol', off)
    t.same(await names(name, `${POLICY},resourcequota`), [])

    const own = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'rexec', namespace: name, labels: { mine: 'yes' } },
      spec: { podSelector: {}, policyTypes: ['Ingress'] },
    }
    await server.apply(own)
    const before = await read(name, POLICY)
    await applyTo(t, 'carol', off)
    t.same(await read(name, POLICY), before, 'that of somebody else stays')
    const refusal = {
      code: 'namespace_not_ready',
      message: /a NetworkPolicy "rexec" that rexec has not made/,
    }
    await t.rejects(applyTo(t, 'carol'), refusal, 'switched on again: nobody’s work is overwritten')
    t.same(await read(name, POLICY), before)
  })

  t.test('a policy that Kubernetes would read as something else is refused', async (t) => {
    const network = { egress: [{ to: [{ namespaceSelectr: {} }] }] }
    await t.rejects(applyTo(t, 'dave', { network }), /namespaceSelectr/)
  })

  t.test('pull secrets', async (t) => {
    const data = (auth: string) => ({
      '.dockerconfigjson': Buffer.from(JSON.stringify({ auths: { 'r.example.org': { auth } } })).toString(
        'base64',
      ),
    })
    const secret = (name: string, type: string, data: object) =>
      server.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'rexec' }, type, data })
    await secret('pull', 'kubernetes.io/dockerconfigjson', data('one'))
    const settings = { imagePullSecrets: ['pull'] }
    const name = await applyTo(t, 'erin', settings)
    const copy = await read(name, 'secret', 'pull')
    t.equal(copy.type, 'kubernetes.io/dockerconfigjson')
    t.same(copy.data, data('one'))
    t.match(copy.metadata.labels, LABELS)
    t.same((await read(name, 'serviceaccount')).imagePullSecrets, [{ name: 'pull' }])

    await secret('pull', 'kubernetes.io/dockerconfigjson', data('two'))
    await applyTo(t, 'erin', settings)
    t.same((await read(name, 'secret', 'pull')).data, data('two'), 'renewed')
    await patch(name, 'secret', 'pull', { data: data('of a user') })
    await applyTo(t, 'erin', settings)
    t.same((await read(name, 'secret', 'pull')).data, data('two'), 'put back')

    await kubectl('delete', 'secret', 'pull', '-n', 'rexec')
    await secret('pull', 'kubernetes.io/dockercfg', { '.dockercfg': 'e30=' })
    await applyTo(t, 'erin', settings)
    t.equal((await read(name, 'secret', 'pull')).type, 'kubernetes.io/dockercfg', 'of another type')

    await applyTo(t, 'erin')
    t.same(await names(name, 'secrets'), [], 'no longer set: the copy goes')
    t.equal((await read(name, 'serviceaccount')).imagePullSecrets, undefined)

    await t.rejects(applyTo(t, 'erin', { imagePullSecrets: ['none'] }), {
      code: 'cluster_unavailable',
      cause: { message: /"none" of the release namespace is missing/ },
    })
    await secret('token', 'Opaque', { token: 'c2VjcmV0' })
    await t.rejects(applyTo(t, 'erin', { imagePullSecrets: ['token'] }), {
      code: 'cluster_unavailable',
      cause: { message: /"token" of the release namespace has the type Opaque/ },
    })
    t.same(await names(name, 'secrets'), [], 'a secret of another type is not shown to users')

    const mine = { name: 'pull', namespace: name }
    await server.apply({ apiVersion: 'v1', kind: 'Secret', metadata: mine, stringData: { a: 'b' } })
    await t.rejects(applyTo(t, 'erin', settings), {
      code: 'namespace_not_ready',
      message: /a Secret "pull" that rexec has not made/,
    })
    t.same((await read(name, 'secret', 'pull')).data, { a: 'Yg==' })
  })

  t.test('a user writes names of secrets into the account, to keep the proxy busy', async (t) => {
    const name = await applyTo(t, 'frank')
    const many = Array.from({ length: 2000 }, (_, index) => ({ name: `x${index}` }))
    const tricks = ['', '..', '../../kube-system/secrets/x', 'a?b', 'A'].map((trick) => ({ name: trick }))
    await patch(name, 'serviceaccount', 'rexec', { imagePullSecrets: [...tricks, ...many] })
    const asked: string[] = []
    const api = testApi(t, server.kubeconfig)
    const watched: Api = {
      ...api,
      patch: (object, change) => {
        if (object.kind === 'Secret') asked.push(object.metadata!.name!)
        return api.patch(object, change)
      },
    }
    await createBaseline(watched, kubernetesSettings(), BROKERS).apply(name)
    t.ok(asked.length > 0 && asked.length <= 16, `${asked.length} secrets asked for`)
    t.same(
      asked.filter((secret) => !/^x\d+$/.test(secret)),
      [],
    )
  })
})
