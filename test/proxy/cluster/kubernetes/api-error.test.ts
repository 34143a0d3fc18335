import type { KubernetesObject, V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { RexecError } from '../../../../common/errors.ts'
import {
  ApiError,
  asRexecError,
  isConflict,
  isImmutable,
  isNamespaceGone,
  isNoRight,
  isPolicyRefusal,
  quotaDetail,
} from '../../../../proxy/cluster/kubernetes/api-error.ts'
import { onceCounted } from '../../../../proxy/cluster/kubernetes/quota.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { untilSettled } from '../../../cluster/namespace.ts'
import { cpuTime } from '../../../support/cpu-time.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'

const inTeam = (kind: string, name: string, content: object = {}): KubernetesObject => {
  const object = { apiVersion: 'v1', kind, metadata: { name, namespace: 'team' }, ...content }
  return object
}

t.test('what a real API server refuses', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const { kubectl } = server
  const api = testApi(t, server.kubeconfig)
  await kubectl('create', 'namespace', 'team')
  await kubectl('label', 'namespace', 'team', 'pod-security.kubernetes.io/enforce=restricted')
  const refusal = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (error: unknown) => error,
    )
    t.type(error, ApiError)
    return { error, said: asRexecError(error) }
  }

  t.test('a quota without room', async (t) => {
    const hard = { 'count/configmaps': '2', 'count/secrets': '0' }
    await server.apply(inTeam('ResourceQuota', 'small', { spec: { hard } }))
    await onceCounted(() => api.create(inTeam('ConfigMap', 'one'))).catch(() => undefined)
    const { said } = await refusal(onceCounted(() => api.create(inTeam('Secret', 'one'))))
    t.match(said, { code: 'quota_exceeded', message: /^The quota "small" of the namespace is exceeded/ })
    t.match(said.message, /count\/secrets: 1 asked for, 0 of 0 used/)
    await kubectl('delete', 'quota', 'small', '-n', 'team')
  })

  t.test('a pod that the Pod Security Standard forbids', async (t) => {
    await untilSettled(server, 'team')
    const pod: V1Pod = inTeam('Pod', 'bad', {
      spec: { containers: [{ name: 'a', image: 'a', securityContext: { privileged: true } }] },
    })
    const { error, said } = await refusal(api.create(pod))
    t.match(said, {
      code: 'admission_refused',
      message: /violates PodSecurity "restricted:latest": privileged/,
    })
    t.notOk(isNoRight(error))
  })

  t.test('an admission policy', async (t) => {
    const name = 'no-configmaps'
    const group = 'admissionregistration.k8s.io/v1'
    await server.apply([
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicy',
        metadata: { name },
        spec: {
          matchConstraints: {
            resourceRules: [
              { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
            ],
          },
          validations: [{ expression: "object.metadata.name != 'forbidden'", message: 'not this one' }],
        },
      },
      {
        apiVersion: group,
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: name, validationActions: ['Deny'] },
      },
    ])
    // It counts a moment after it was stored, and nothing tells when.
    let made: KubernetesObject | undefined
    do {
      made = await api.create(inTeam('ConfigMap', 'forbidden')).catch(() => undefined)
      if (made) await kubectl('delete', 'configmap', 'forbidden', '-n', 'team')
    } while (made)
    const { error, said } = await refusal(api.create(inTeam('ConfigMap', 'forbidden')))
    t.ok(isPolicyRefusal(error))
    t.match(said, { code: 'admission_refused', message: /not this one/ })
  })

  t.test('what we have no right to: users are not told which', async (t) => {
    await kubectl('create', 'serviceaccount', 'weak', '-n', 'team')
    const kubeconfig = await server.kubeconfigFor({ serviceAccount: 'weak', namespace: 'team' })
    const { error, said } = await refusal(testApi(t, kubeconfig).core.listNamespace())
    t.ok(isNoRight(error))
    t.equal(said.code, 'cluster_unavailable')
    t.notMatch(said.message, /weak|namespaces/)
    t.equal(said.cause, error, 'the log has it')
  })

  t.test('a field that cannot be changed, and one that makes no sense', async (t) => {
    await api.create(inTeam('Secret', 'typed', { type: 'Opaque' }))
    const changed = await refusal(api.apply(inTeam('Secret', 'typed', { type: 'kubernetes.io/basic-auth' })))
    t.ok(isImmutable(changed.error) || isConflict(changed.error))
    const quota = inTeam('ResourceQuota', 'wrong', { spec: { hard: { pods: 'many' } } })
    const { said } = await refusal(api.create(quota))
    t.match(said, { code: 'admission_refused', message: /quantities must match/ })
  })

  t.test('a namespace that is gone, or going', async (t) => {
    const nowhere = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'nowhere' } }
    const gone = await refusal(api.create(nowhere))
    t.ok(isNamespaceGone(gone.error))
    t.equal(gone.said.code, 'namespace_not_ready')
    await server.apply(
      inTeam('ConfigMap', 'held', {
        metadata: { name: 'held', namespace: 'team', finalizers: ['example.org/held'] },
      }),
    )
    await kubectl('delete', 'namespace', 'team', '--wait=false')
    const going = await refusal(api.create(inTeam('ConfigMap', 'late')))
    t.ok(isNamespaceGone(going.error))
    t.equal(going.said.code, 'namespace_not_ready')
    const patch = JSON.stringify({ metadata: { finalizers: null } })
    await kubectl('patch', 'configmap', 'held', '-n', 'team', '--type=merge', '-p', patch)
  })
})

t.test('the API server is not well', async (t) => {
  for (const status of [undefined, 401, 404, 409, 410, 429, 500, 503, 504])
    t.equal(asRexecError(new ApiError(status, {})).code, 'cluster_unavailable', `${status}`)
  const busy = new ApiError(429, { message: 'busy', details: { retryAfterSeconds: 7 } })
  t.equal(asRexecError(busy).retryAfter, 7)
})

t.test('other errors keep what they are', async (t) => {
  const own = new RexecError('server_differs')
  t.equal(asRexecError(own), own)
  t.match(asRexecError(new TypeError('a mistake of ours')), { code: 'internal', cause: TypeError })
})

t.test('what a quota lacks, in plain words', async (t) => {
  const text =
    'jobs.batch "x" is forbidden: exceeded quota: rexec, requested: limits.memory=1Gi,requests.cpu=1, used: limits.memory=8Gi,requests.cpu=3, limited: limits.memory=8Gi,requests.cpu=3'
  t.equal(
    quotaDetail(text),
    'The quota "rexec" of the namespace is exceeded (limits.memory: 1Gi asked for, 8Gi of 8Gi used; requests.cpu: 1 asked for, 3 of 3 used).',
  )
  t.equal(
    quotaDetail('pods "x" is forbidden: failed quota: rexec: must specify limits.memory for: worker'),
    'The quota rexec: must specify limits.memory for: worker.',
  )
  t.equal(quotaDetail('something else'), undefined)
})

t.test('a text that is made to take long: somebody writes an event of his own', async (t) => {
  const text = 'exceeded quota: a, requested: '.repeat(60) + ', used: '.repeat(5000)
  const spent = cpuTime(() => t.equal(quotaDetail(text), undefined))
  t.ok(spent < 500, `${spent} ms`)
})
