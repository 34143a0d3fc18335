import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, stat } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { findLeftovers, findProcesses } from '../support/processes.ts'
import { type ApiServer, apiServerMissing, given, type Subject, startApiServer } from './api-server.ts'
import { GivenApiServer } from './given-api-server.ts'
import { untilSettled } from './namespace.ts'
import { OwnApiServer } from './own-api-server.ts'
import { kubernetesTools } from './tools.ts'

const reason = given ? 'REXEC_TEST_KUBECONFIG is set: no API server is started' : await apiServerMissing()
const skip = reason ?? false

/** A user with what certificates must be made carefully for. */
const strange = {
  user: 'a/b+c=d',
  groups: ['one', 'two/three'],
  known: { username: 'a/b+c=d', groups: ['one', 'two/three', 'system:authenticated'] },
}

const pod = (name: string, namespace: string, securityContext?: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: { containers: [{ name: 'main', image: 'none', securityContext }] },
})

const namespace = (name: string, labels = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

t.test('a real API server', { skip }, async (t) => {
  const api = await startApiServer(t)

  t.test('answers kubectl, and says why it refuses', async (t) => {
    t.match(await api.kubectl('version'), /Server Version: v1\.\d+\.\d+/)
    await t.rejects(api.kubectl('get', 'pod', 'nobody'), /pods "nobody" not found/)
  })

  t.test('has a controller manager: a Job gets a pod, and a namespace that is deleted goes', async (t) => {
    const template = {
      metadata: { labels: { job: 'work' } },
      // The namespace controller looks again after half of the grace period of pods.
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'main', image: 'none' }],
      },
    }
    await api.apply([
      namespace('jobs'),
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'work', namespace: 'jobs' },
        spec: { template },
      },
    ])
    await api.kubectl(
      'wait',
      '--for=create',
      '--namespace=jobs',
      '--timeout=120s',
      'pod',
      '--selector=job=work',
    )
    const owner = '{.items[0].metadata.ownerReferences[0].kind}/{.items[0].metadata.ownerReferences[0].name}'
    t.equal(await api.kubectl('get', 'pods', '-n', 'jobs', '-o', `jsonpath=${owner}`), 'Job/work')
    await api.kubectl('delete', 'namespace', 'jobs', '--wait', '--timeout=120s')
    await t.rejects(api.kubectl('get', 'namespace', 'jobs'), /not found/)
  })

  t.test('enforces the Pod Security Standards', async (t) => {
    await api.apply(namespace('restricted', { 'pod-security.kubernetes.io/enforce': 'restricted' }))
    await untilSettled(api, 'restricted')
    await t.rejects(
      api.apply(pod('privileged', 'restricted', { privileged: true })),
      /violates PodSecurity "restricted:latest": privileged/,
    )
  })

  t.test('enforces a ValidatingAdmissionPolicy', async (t) => {
    const admission = (kind: string, spec: object) => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind,
      metadata: { name: 'no-red' },
      spec,
    })
    await api.apply([
      admission('ValidatingAdmissionPolicy', {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
          ],
        },
        validations: [{ expression: '!has(object.data) || !("red" in object.data)', message: 'no red' }],
      }),
      admission('ValidatingAdmissionPolicyBinding', { policyName: 'no-red', validationActions: ['Deny'] }),
    ])
    // The API server takes a moment to know it, and has no sign for when it does.
    let refusal = ''
    for (let number = 0; refusal === '' && number < 200; number++) {
      const args = ['configmap', `red-${number}`, '--from-literal=red=1']
      await api.kubectl('create', ...args).catch((error: Error) => {
        refusal = error.message
      })
    }
    t.match(refusal, /ValidatingAdmissionPolicy 'no-red'.* denied request: no red/)
    // Its controller has looked at it, and writes nothing more.
    const checked = '--for=jsonpath={.status.observedGeneration}=1'
    await api.kubectl('wait', checked, 'validatingadmissionpolicy/no-red', '--timeout=120s')
  })

  t.test('knows whom a kubeconfig is for', async (t) => {
    const account = { serviceAccount: 'default', namespace: 'default' }
    t.match(await whoami(api, account), { username: 'system:serviceaccount:default:default' })
    t.match(await whoami(api, strange), strange.known)
    const file = await api.kubeconfigFor(account)
    t.equal((await stat(file)).mode & 0o777, 0o600, 'nobody else can read it')
    await t.rejects(api.kubectl(`--kubeconfig=${file}`, 'get', 'secrets'), /forbidden/, 'RBAC is enforced')
  })

  t.test('lists everything; the listing shows what was made, changed and made again', async (t) => {
    const before = await api.listing()
    t.ok(before.has('Namespace//default') && before.has('ClusterRole//cluster-admin'), 'all kinds')
    t.same(differences(before, await api.listing()), [], 'nothing changes by itself')
    const secret = (value: string) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'mine', namespace: 'default' },
      stringData: { value },
    })
    await api.apply(secret('one'))
    const made = await api.listing()
    t.same(differences(before, made), ['Secret/default/mine'])
    await api.apply(secret('two'))
    const changed = await api.listing()
    t.same(differences(made, changed), ['Secret/default/mine'])
    await api.kubectl('delete', 'secret', 'mine')
    t.same(differences(before, await api.listing()), [], 'as it was')
  })

  t.test('goes away and comes back at the same place with what it had', async (t) => {
    await api.apply(namespace('kept'))
    const { url } = api
    await api.stopApi()
    await t.rejects(api.kubectl('get', 'namespaces'), /refused/)
    await api.startApi()
    t.equal(api.url, url)
    t.match(await api.kubectl('get', 'namespaces', '-o', 'name'), /namespace\/kept\n/)
    await api.apply(namespace('after'))
    await untilSettled(api, 'after')
  })
})

t.test("somebody's own cluster is used by its kubeconfig", { skip }, async (t) => {
  const own = await startApiServer(t)
  const kubectl = join(await kubernetesTools(), 'kubectl')
  await GivenApiServer.check(own.kubeconfig, kubectl)
  const api = await GivenApiServer.connect(own.kubeconfig, kubectl)
  t.teardown(api.stop)
  await api.apply(namespace('given'))
  await untilSettled(api, 'given')
  t.match(await own.kubectl('get', 'namespace', 'given'), 'Active')
  t.same(differences(await own.listing(), await api.listing()), [])
  const account = { serviceAccount: 'default', namespace: 'default' }
  t.match(await whoami(api, account), { username: 'system:serviceaccount:default:default' })
  t.match(await whoami(api, strange), strange.known, 'with a certificate that the cluster signed')
  await t.rejects(api.stopApi(), /somebody else uses this API server/)
  t.equal(await own.kubectl('get', 'csr'), '', 'requests are cleared away')

  const byToken = await GivenApiServer.connect(await own.kubeconfigFor(account), kubectl)
  t.teardown(byToken.stop)
  await t.rejects(byToken.listing(), /403 .*system:serviceaccount:default:default/)
  await own.stopApi()
  await t.rejects(GivenApiServer.check(own.kubeconfig, kubectl), /refused/)
})

t.test('nothing is left at the end', { skip }, async (t) => {
  const folder = await within(t, async (t) => (await startApiServer(t)).folder)
  t.same(await findLeftovers([folder]), [], 'no process')
  await t.rejects(stat(folder), { code: 'ENOENT' }, 'no folder')
})

t.test('two at a time have nothing in common', { skip }, async (t) => {
  const [one, two] = await Promise.all([startApiServer(t), startApiServer(t)])
  await one.apply(namespace('only-here'))
  t.ok((await one.listing()).has('Namespace//only-here'))
  t.notOk((await two.listing()).has('Namespace//only-here'))
})

t.test('a port that is taken is left to whoever has it', { skip }, async (t) => {
  const other = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.teardown(() => other.close())
  const taken = (other.address() as AddressInfo).port
  const free = 15_000 + Math.floor(Math.random() * 4000)
  const ports = [taken, taken, free]
  const api = await OwnApiServer.start(await kubernetesTools(), () => ports.shift()!)
  t.teardown(api.stop)
  t.equal(api.url, `https://127.0.0.1:${free}`)
})

t.test('what does not start says why, and leaves nothing', { skip }, async (t) => {
  await t.rejects(
    OwnApiServer.start(await kubernetesTools(), () => 0),
    /kube-apiserver ended:.*secure-port/s,
  )
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith(`rexec-api-${process.pid}-`))
  t.same(left, [])
})

t.test('no process outlives a test that is killed (kill -9)', { skip }, async (t) => {
  const program = `
    import { startApiServer } from ${JSON.stringify(join(import.meta.dirname, 'api-server.ts'))}
    const t = { comment() {}, teardown() {} }
    console.log((await startApiServer(t)).folder)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [folder] = (await once(createInterface(child.stdout), 'line')) as [string]
  t.equal((await findProcesses([folder])).length, 3, 'etcd, API server and controller manager run')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.same(await findLeftovers([folder]), [])
  await startApiServer(t)
  await t.rejects(stat(folder), { code: 'ENOENT' }, 'the next one removes its folder')
})

/** What the API server makes of a kubeconfig for somebody. */
async function whoami(api: ApiServer, subject: Subject): Promise<unknown> {
  const kubeconfig = await api.kubeconfigFor(subject)
  const answer = await api.kubectl(`--kubeconfig=${kubeconfig}`, 'auth', 'whoami', '--output=json')
  return JSON.parse(answer).status.userInfo
}

/** Runs it as a test of its own, with the end of which its teardowns have been called. */
async function within<T>(t: Test, run: (t: Test) => Promise<T>): Promise<T> {
  let result: T | undefined
  await t.test('the test', async (t) => {
    result = await run(t)
  })
  return result!
}

function differences(before: Map<string, unknown>, after: Map<string, unknown>): string[] {
  const keys = [...new Set([...before.keys(), ...after.keys()])]
  return keys.filter((key) => JSON.stringify(before.get(key)) !== JSON.stringify(after.get(key)))
}
