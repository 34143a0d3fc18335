import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KubeConfig, type KubernetesObject } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { Registry } from '../../../../common/metrics.ts'
import { ApiError } from '../../../../proxy/cluster/kubernetes/api-error.ts'
import {
  type Call,
  type Connection,
  openConnection,
} from '../../../../proxy/cluster/kubernetes/connection.ts'
import { givenNamespace } from '../../../../proxy/cluster/kubernetes/given-namespace.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights, renderChart } from '../../../support/chart.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { attempts } from './attempts.ts'
import { makeForeignObjects } from './foreign-objects.ts'
import { clusterWide, inNamespaces, type Right, rightsTable } from './rights.ts'

const root = join(import.meta.dirname, '../../../..')
const FOREIGN = ['kube-system', 'default', 'rexec', 'team']

const skip = (await apiServerMissing()) ?? false

/** Calls with the rights of a kubeconfig. */
function connectionOf(t: Test, kubeconfig: string): Connection {
  const load = () => {
    const config = new KubeConfig()
    config.loadFromFile(kubeconfig)
    return config
  }
  const connection = openConnection(load, 10, new Registry())
  t.teardown(() => connection.close())
  return connection
}

async function post<T>(connection: Connection, path: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' }
  return JSON.parse(
    (await connection.call({ method: 'POST', path, headers, body: JSON.stringify(body) })).text,
  )
}

async function may(
  account: Connection,
  verb: string,
  resource: string,
  namespace?: string,
): Promise<boolean> {
  const [, plural, subresource, group] = /^([^/.]+)(?:\/([^.]+))?(?:\.(.+))?$/.exec(resource)!
  const name = plural === 'namespaces' ? namespace : undefined
  const resourceAttributes = { verb, group: group ?? '', resource: plural, subresource, namespace, name }
  const { status } = await post<{ status: { allowed: boolean } }>(
    account,
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectAccessReview', spec: { resourceAttributes } },
  )
  return status.allowed
}

/** Asks line by line; answers with the lines that are not as they should be. */
async function wrong(
  account: Connection,
  rights: Right[],
  expected: (right: Right) => boolean,
  namespace?: string,
) {
  const lines = rights.flatMap((right) => right.verbs.map((verb) => ({ right, verb })))
  const found = await Promise.all(
    lines.map(async ({ right, verb }) => {
      const allowed = await may(account, verb, right.resource, namespace)
      return allowed === expected(right) ? [] : [`${allowed ? 'may' : 'may not'} ${verb} ${right.resource}`]
    }),
  )
  return found.flat()
}

/** What the refusal says; undefined when it was done. */
async function tried(account: Connection, call: Call): Promise<string | undefined> {
  try {
    await account.call(call)
    return undefined
  } catch (error) {
    if (error instanceof ApiError && error.status !== undefined) return error.message
    throw error
  }
}

/** A new rule or policy is in force a moment after it was stored, and nothing tells when. */
async function until(test: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await test()); await delay(50)) {
    if (Date.now() > end) throw new Error('the rule has not come into force')
  }
}

const jobPath = (namespace: string) => `/apis/batch/v1/namespaces/${namespace}/jobs`
const aPod = (namespace: string) => `/api/v1/namespaces/${namespace}/pods/x`

/** Never, in neither mode: RBAC refuses these before anybody looks whether the object is there. */
const never: [title: string, call: Call][] = [
  ...['kube-system', 'team', 'rexec-alice'].flatMap((namespace): [string, Call][] => [
    [`read a secret of ${namespace}`, get(`/api/v1/namespaces/${namespace}/secrets/precious`)],
    [`list the secrets of ${namespace}`, get(`/api/v1/namespaces/${namespace}/secrets`)],
    [`watch the secrets of ${namespace}`, get(`/api/v1/namespaces/${namespace}/secrets?watch=true`)],
    [`run a command in a pod of ${namespace}`, send('POST', `${aPod(namespace)}/exec?command=sh`)],
    [`the same by GET in ${namespace}`, get(`${aPod(namespace)}/exec?command=sh`)],
    [`attach to a pod of ${namespace}`, send('POST', `${aPod(namespace)}/attach`)],
    [`reach a port of a pod of ${namespace}`, send('POST', `${aPod(namespace)}/portforward?ports=80`)],
    [`reach a pod of ${namespace} through the API server`, get(`${aPod(namespace)}/proxy/`)],
    [
      `put a container into a pod of ${namespace}`,
      send('PATCH', `${aPod(namespace)}/ephemeralcontainers`, {}),
    ],
    [`make a pod in ${namespace}`, send('POST', `/api/v1/namespaces/${namespace}/pods`, {})],
    [
      `make a token in ${namespace}`,
      send('POST', `/api/v1/namespaces/${namespace}/serviceaccounts/default/token`, {}),
    ],
    [
      `give itself a role in ${namespace}`,
      send('POST', `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`, {}),
    ],
    [`delete all secrets of ${namespace}`, send('DELETE', `/api/v1/namespaces/${namespace}/secrets`)],
    [`read a config map of ${namespace}`, get(`/api/v1/namespaces/${namespace}/configmaps/kube-root-ca.crt`)],
    [`make a cron job in ${namespace}`, send('POST', `/apis/batch/v1/namespaces/${namespace}/cronjobs`, {})],
  ]),
  ['list all secrets', get('/api/v1/secrets')],
  ['list the nodes', get('/api/v1/nodes')],
  ["reach a node's kubelet", get('/api/v1/nodes/x/proxy/pods')],
  [
    'widen its own role',
    send('PATCH', '/apis/rbac.authorization.k8s.io/v1/clusterroles/rexec-proxy', {
      rules: [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }],
    }),
  ],
  [
    'bind itself to cluster-admin',
    send('POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {}),
  ],
  [
    'take the admission policy away',
    send(
      'DELETE',
      '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/rexec-proxy-namespaces',
    ),
  ],
  ['have a certificate signed', send('POST', '/apis/certificates.k8s.io/v1/certificatesigningrequests', {})],
  [
    'be an administrator',
    { ...get('/api'), headers: { 'Impersonate-User': 'root', 'Impersonate-Group': 'system:masters' } },
  ],
  [
    "be its own namespace's other account",
    { ...get('/api'), headers: { 'Impersonate-User': 'system:serviceaccount:kube-system:default' } },
  ],
  ['have a token reviewed', send('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {})],
]

function get(path: string): Call {
  return { method: 'GET', path }
}

function send(method: Call['method'], path: string, body?: object): Call {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  return { method, path, ...(body && { body: JSON.stringify(body), headers: { 'content-type': type } }) }
}

async function neverAllowed(t: Test, account: Connection): Promise<void> {
  for (const [title, call] of never) {
    t.match(await tried(account, call), /Kubernetes answered 403: .* (cannot|forbidden)/, title)
  }
}

t.test('the rights of the service account', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.kubectl('create', 'namespace', 'team')
  await server.apply(await proxyRights('account'))
  const account = connectionOf(
    t,
    await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' }),
  )

  t.test('the account alone may do nothing', async (t) => {
    t.same(await wrong(account, inNamespaces, () => false, 'team'), [])
    t.same(await wrong(account, clusterWide, () => false), [])
  })

  t.test('mode "namespaces"', async (t) => {
    await server.apply(givenNamespace('alice', 'rexec-alice', kubernetesSettings(), 'rexec-proxy'))
    await until(() => may(account, 'get', 'jobs.batch', 'rexec-alice'))

    t.test('rights in a namespace that was given', async (t) => {
      t.same(await wrong(account, inNamespaces, ({ given }) => given, 'rexec-alice'), [])
    })

    t.test('no right anywhere else', async (t) => {
      for (const namespace of FOREIGN) {
        t.same(await wrong(account, inNamespaces, () => false, namespace), [], namespace)
      }
      t.same(await wrong(account, clusterWide, () => false), [])
    })

    t.test('really tried', async (t) => {
      await neverAllowed(t, account)
      for (const [title, call] of [
        ['make a namespace', send('POST', '/api/v1/namespaces', {})],
        ['list the namespaces', get('/api/v1/namespaces')],
        ['list all pods', get('/api/v1/pods')],
        ['list all Jobs', get('/apis/batch/v1/jobs')],
        ['read another namespace', get('/api/v1/namespaces/team')],
        ['change its namespace', send('PATCH', '/api/v1/namespaces/rexec-alice', {})],
        ['list the pods of another namespace', get('/api/v1/namespaces/team/pods')],
        ['read a log of another namespace', get(`${aPod('team')}/log`)],
        ['make a Job in another namespace', send('POST', jobPath('team'), {})],
        ['make a Job in kube-system', send('POST', jobPath('kube-system'), {})],
      ] satisfies [string, Call][]) {
        t.match(await tried(account, call), /answered 403/, title)
      }
      t.equal(
        await tried(account, get('/api/v1/namespaces/rexec-alice')),
        undefined,
        'its own namespace is read',
      )
      t.equal(await tried(account, get(jobPath('rexec-alice'))), undefined, 'its Jobs are listed')
    })
  })

  t.test('mode "cluster"', async (t) => {
    await server.apply(await proxyRights('cluster', 'policies'))
    await until(() => may(account, 'create', 'namespaces'))

    t.test('rights of the role', async (t) => {
      t.same(await wrong(account, inNamespaces, ({ cluster }) => cluster, 'rexec-alice'), [])
      t.same(await wrong(account, clusterWide, ({ cluster }) => cluster), [])
    })

    t.test('what no role allows, really tried', (t) => neverAllowed(t, account))

    t.test('what the role allows and the admission policies refuse', async (t) => {
      await makeForeignObjects(server)
      const canaries = attempts.filter(({ method }) => method === 'POST')
      for (const { path, body } of canaries) {
        await until(
          async () => (await tried(account, send('POST', `${path}?dryRun=All`, body))) !== undefined,
        )
      }
      const before = await server.listing()
      for (const { title, method, path, body, type = 'json', refusal } of attempts) {
        const headers = { 'content-type': `application/${type}` }
        const said = await tried(account, {
          method,
          path,
          ...(body && { headers, body: JSON.stringify(body) }),
        })
        t.match(said, refusal, title)
        t.notMatch(said, 'geheim', 'the refusal does not show the object')
      }
      t.same(await server.listing(), before, 'nothing has changed')
    })
  })
})

t.test('the page for administrators shows these rights', async (t) => {
  t.match(await readFile(join(root, 'docs/admin/rbac.md'), 'utf8'), rightsTable())
})

t.test(
  'what mode "namespaces" gives in a namespace is what mode "cluster" gives in all',
  { skip },
  async (t) => {
    const [role] = (await proxyRights('cluster')) as { rules: Rule[] }[]
    const [, given] = givenNamespace('alice', 'a', kubernetesSettings(), 'rexec-proxy') as { rules: Rule[] }[]
    const besideNamespaces = ({ rules }: { rules: Rule[] }) =>
      rules.filter(({ resources }) => !resources.includes('namespaces'))
    t.same(besideNamespaces(given!), besideNamespaces(role!))
  },
)

interface Rule {
  resources: string[]
  verbs: string[]
}

t.test('what the chart gives follows from its values', { skip }, async (t) => {
  const kinds = async (values: object) =>
    (await renderChart(values))
      .filter(({ kind }) => /Role|Policy/.test(kind!) && kind !== 'NetworkPolicy')
      .map(({ kind, metadata }) => `${kind} ${metadata!.name!.replace(/-[0-9a-f]{8}-/, '-HASH-')}`)
      .sort()
  const policies = ['jobs', 'namespaces', 'objects'].flatMap((name) => [
    `ValidatingAdmissionPolicy rexec-HASH-proxy-${name}`,
    `ValidatingAdmissionPolicyBinding rexec-HASH-proxy-${name}`,
  ])
  const role = ['ClusterRole rexec-HASH-proxy', 'ClusterRoleBinding rexec-HASH-proxy']
  const given = { cluster: { kubernetes: { namespaces: { given: { alice: 'a' } } } } }
  t.same(await kinds({}), [...role, ...policies].sort())
  t.same(await kinds({ rbac: { create: false }, admissionPolicy: { create: false } }), [])
  t.same(await kinds({ rbac: { mode: 'namespaces' }, proxy: { config: given } }), policies.sort())
  t.same(
    await kinds({
      rbac: { mode: 'namespaces', tokenReview: true },
      admissionPolicy: { create: false },
      proxy: { config: given },
      imagePullSecrets: ['a', 'b'],
    }),
    [
      'ClusterRole rexec-HASH-proxy-token-review',
      'ClusterRoleBinding rexec-HASH-proxy-token-review',
      'Role rexec-proxy-pull-secrets',
      'RoleBinding rexec-proxy-pull-secrets',
    ],
  )
  const verbs = async (whenUserVanishes: string) => {
    const namespaces = { whenUserVanishes }
    const values = { proxy: { config: { cluster: { kubernetes: { namespaces } } } } }
    const [{ rules }] = (await renderChart(values, { only: ['rbac/cluster.yaml'] })) as unknown as [
      { rules: Rule[] },
    ]
    return rules.filter(({ resources }) => resources.includes('namespaces')).flatMap(({ verbs }) => verbs)
  }
  t.same(await verbs('keep'), ['get', 'list', 'watch', 'create', 'patch'])
  t.same(await verbs('delete'), ['get', 'list', 'watch', 'create', 'patch', 'delete'])
})

t.test('the constants of the admission policies are the settings of the proxy', { skip }, async (t) => {
  const own = { instance: 'mine', namespaces: { prefix: 'lab-' } }
  const cases: Parameters<typeof renderChart>[] = [
    [{}, {}],
    [{}, { release: 'second', namespace: 'hub' }],
    [
      { proxy: { config: { cluster: { kubernetes: own } } }, serviceAccount: { name: 'other' } },
      { release: 'a', namespace: 'b' },
    ],
  ]
  for (const given of cases) {
    const objects = await renderChart(...given)
    const find = (kind: string, name: RegExp) =>
      objects.find((object) => object.kind === kind && name.test(object.metadata!.name!))
    const file = (find('ConfigMap', /-proxy$/) as { data: Record<string, string> }).data['proxy.yaml']!
    const { instance, releaseNamespace, namespaces } = kubernetesSettings(JSON.parse(file).cluster.kubernetes)
    const constants: Record<string, string> = { instance, releaseNamespace, prefix: namespaces.prefix }
    const account = find('ServiceAccount', /./)!.metadata!
    const isAccount = `request.userInfo.username == 'system:serviceaccount:${account.namespace}:${account.name}'`
    t.equal(account.namespace, releaseNamespace)
    for (const { kind, metadata, spec } of objects as (KubernetesObject & { spec: Policy })[]) {
      if (kind === 'ValidatingAdmissionPolicyBinding') {
        t.match(spec, { policyName: metadata!.name, validationActions: ['Deny'] })
      } else if (kind === 'ValidatingAdmissionPolicy') {
        t.equal(spec.failurePolicy, 'Fail', metadata!.name!)
        t.same(spec.matchConditions, [{ name: 'is-rexec-proxy', expression: isAccount }], metadata!.name!)
        for (const { name, expression } of spec.variables) {
          if (name in constants) t.equal(expression, `'${constants[name]}'`, `${metadata!.name}: ${name}`)
        }
      }
    }
  }
})

interface Policy {
  failurePolicy: string
  matchConditions: object[]
  variables: { name: string; expression: string }[]
}
