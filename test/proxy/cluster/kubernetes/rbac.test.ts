import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { KubeConfig } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { parseAllDocuments } from 'yaml'
import { Registry } from '../../../../common/metrics.ts'
import { ApiError } from '../../../../proxy/cluster/kubernetes/api-error.ts'
import {
  type Call,
  type Connection,
  openConnection,
} from '../../../../proxy/cluster/kubernetes/connection.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
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
  const apply = (file: string) => server.kubectl('apply', '-f', join(root, 'helm/rbac', file))
  await server.kubectl('create', 'namespace', 'rexec')
  await server.kubectl('create', 'namespace', 'team')
  await apply('service-account.yaml')
  const account = connectionOf(
    t,
    await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' }),
  )

  t.test('the account alone may do nothing', async (t) => {
    t.same(await wrong(account, inNamespaces, () => false, 'team'), [])
    t.same(await wrong(account, clusterWide, () => false), [])
  })

  t.test('mode "namespaces"', async (t) => {
    await apply('namespaces.yaml')
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
    await apply('cluster.yaml')
    await apply('admission-policy.yaml')
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

t.test('the constants of the admission policies are the defaults of the settings', async (t) => {
  const text = await readFile(join(root, 'helm/rbac/admission-policy.yaml'), 'utf8')
  const { instance, releaseNamespace, namespaces } = kubernetesSettings()
  const defaults: Record<string, string> = { instance, releaseNamespace, prefix: namespaces.prefix }
  const account = `request.userInfo.username == 'system:serviceaccount:${releaseNamespace}:rexec-proxy'`
  for (const document of parseAllDocuments(text)) {
    const { kind, metadata, spec } = document.toJS()
    if (kind === 'ValidatingAdmissionPolicyBinding') {
      t.match(spec, { policyName: metadata.name, validationActions: ['Deny'] })
      continue
    }
    t.equal(spec.failurePolicy, 'Fail', metadata.name)
    t.same(spec.matchConditions, [{ name: 'is-rexec-proxy', expression: account }], metadata.name)
    for (const { name, expression } of spec.variables) {
      if (name in defaults) t.equal(expression, `'${defaults[name]}'`, `${metadata.name}: ${name}`)
    }
  }
})
