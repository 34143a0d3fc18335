import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { V1Job, V1Secret } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import type { Api } from '../../../../proxy/cluster/kubernetes/api.ts'
import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'
import { createLaunch, type Launch } from '../../../../proxy/cluster/kubernetes/launch.ts'
import { createNamespaces } from '../../../../proxy/cluster/kubernetes/namespace.ts'
import type { Namespace } from '../../../../proxy/pipeline.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'
import { BROKERS, testApi, testKubernetes } from '../../../support/kubernetes-cluster.ts'
import { user } from '../../../support/local-cluster.ts'
import { keptLog } from '../../../support/log.ts'
import { alice } from '../../../support/security-model.ts'

const CREDENTIAL = 'header.payload.signature'

t.test('a start', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)
  const { kubectl } = server
  const settings = kubernetesSettings()
  const api = testApi(t, server.kubeconfig)
  const log = keptLog()
  const launchWith = (api: Api): Launch => createLaunch(api, settings, BROKERS, log.logger)
  const namespaceOf = (owner: string) => createNamespaces(api, settings).ensure(user(owner))
  const read = async <T>(kind: string, { name: namespace }: Namespace, name = 'rexec-default'): Promise<T> =>
    JSON.parse(await kubectl('get', kind, name, '-n', namespace, '-o', 'json'))
  const left = async ({ name }: Namespace) =>
    (await kubectl('get', 'jobs,secrets', '-n', name, '-o', 'name')).trim().split('\n').filter(Boolean)

  t.test('the Job, its Secret, then the Job may go on', async (t) => {
    const namespace = await namespaceOf('henry')
    const order: string[] = []
    const noted: Api = {
      ...api,
      create: async (object) => {
        order.push(`create ${object.kind}`)
        return api.create(object)
      },
      patch: async (object, change) => {
        order.push(`patch ${object.kind}`)
        return api.patch(object, change)
      },
    }
    const approved = approvedServer({}, { user: user('henry') })
    const made = await launchWith(noted)(namespace, approved, { credential: CREDENTIAL })
    t.same(order, ['create Job', 'create Secret', 'patch Job'])
    t.equal(made.spec?.suspend, false)
    const job = await read<V1Job>('job', namespace)
    const built = buildJob(approved, { namespace, settings })
    t.match(job.metadata!.labels, built.metadata!.labels)
    t.match(job.metadata!.annotations, built.metadata!.annotations)
    t.match(job.spec, { ...built.spec, suspend: false, template: {} })
    const secret = await read<V1Secret>('secret', namespace)
    t.match(secret.metadata!.ownerReferences, [
      { kind: 'Job', name: 'rexec-default', uid: job.metadata!.uid },
    ])
    t.equal(Buffer.from(secret.data!.credential!, 'base64').toString(), CREDENTIAL)
    t.notMatch(log.text(), /signature/)
  })

  t.test('the same server, asked for by two proxies at once, is started once', async (t) => {
    const namespace = await namespaceOf('bob')
    const approved = approvedServer({}, { user: user('bob') })
    const starts = Array.from({ length: 6 }, () =>
      launchWith(testApi(t, server.kubeconfig))(namespace, approved, { credential: CREDENTIAL }),
    )
    const uids = (await Promise.all(starts)).map(({ metadata }) => metadata!.uid)
    t.equal(new Set(uids).size, 1)
    t.equal((await read<V1Job>('job', namespace)).spec?.suspend, false)
    const other = approvedServer({ requirements: ['six==1.17.0'] }, { user: user('bob') })
    const launch = launchWith(api)
    await t.rejects(launch(namespace, other, { credential: CREDENTIAL }), { code: 'server_differs' })
  })

  t.test('a name that is taken by a Job of somebody else', async (t) => {
    const namespace = await namespaceOf('carol')
    const job = buildJob(approvedServer({}, { user: user('carol') }), { namespace, settings })
    delete job.metadata!.labels!['app.kubernetes.io/managed-by']
    await server.apply(job)
    const before = (await read<V1Job>('job', namespace)).metadata
    const approved = approvedServer({}, { user: user('carol') })
    await t.rejects(launchWith(api)(namespace, approved, { credential: CREDENTIAL }), {
      code: 'namespace_not_ready',
      message: /It holds a Job "rexec-default" that rexec has not made and that must go first/,
    })
    const after = (await read<V1Job>('job', namespace)).metadata
    t.same([after!.uid, after!.generation], [before!.uid, before!.generation], 'untouched')
    t.same(await left(namespace), ['job.batch/rexec-default'])
  })

  t.test('a Secret that an earlier server has left is replaced', async (t) => {
    const namespace = await namespaceOf('dave')
    const metadata = {
      name: 'rexec-default',
      namespace: namespace.name,
      labels: { 'app.kubernetes.io/managed-by': 'rexec', 'app.kubernetes.io/instance': 'rexec' },
    }
    const leftover = { apiVersion: 'v1', kind: 'Secret', metadata, immutable: true, stringData: { a: 'old' } }
    await server.apply(leftover)
    const approved = approvedServer({}, { user: user('dave') })
    await launchWith(api)(namespace, approved, { credential: CREDENTIAL })
    const secret = await read<V1Secret>('secret', namespace)
    t.equal(Buffer.from(secret.data!.credential!, 'base64').toString(), CREDENTIAL)

    const other = await namespaceOf('dave2')
    const foreign = { name: 'rexec-default', namespace: other.name }
    await server.apply({ ...leftover, metadata: foreign })
    const again = approvedServer({}, { user: user('dave2') })
    await t.rejects(launchWith(api)(other, again, { credential: CREDENTIAL }), {
      code: 'namespace_not_ready',
    })
    await kubectl('wait', '--for=delete', 'job/rexec-default', '-n', other.name, '--timeout=120s')
    t.same((await read<V1Secret>('secret', other)).data, { a: 'b2xk' }, 'one of somebody else stays')
  })

  const steps: Record<string, (api: Api) => Api> = {
    'the Secret': (api) => ({ ...api, create: (object) => failFor('Secret', object) ?? api.create(object) }),
    'going on': (api) => ({ ...api, patch: (object) => failFor('Job', object)! }),
  }
  for (const [what, failing] of Object.entries(steps)) {
    t.test(`nothing is left of a start that fails at ${what}`, async (t) => {
      const name = what.replace(' ', '-')
      const namespace = await namespaceOf(name)
      const approved = approvedServer({}, { user: user(name) })
      const start = launchWith(failing(api))(namespace, approved, { credential: CREDENTIAL })
      await t.rejects(start, { code: 'internal', cause: { message: 'as tried' } })
      await kubectl('wait', '--for=delete', 'job/rexec-default', '-n', namespace.name, '--timeout=120s')
      t.same(await left(namespace), [])
    })
  }

  t.test('its Job is deleted in the middle', async (t) => {
    const namespace = await namespaceOf('erin')
    const deleting: Api = {
      ...api,
      patch: async (object, change) => {
        await kubectl('delete', 'job', 'rexec-default', '-n', namespace.name, '--cascade=orphan')
        return api.patch(object, change)
      },
    }
    const approved = approvedServer({}, { user: user('erin') })
    const start = launchWith(deleting)(namespace, approved, { credential: CREDENTIAL })
    await t.rejects(start, { code: 'start_interrupted' })
  })

  t.test('its namespace is deleted in the middle, or is gone', async (t) => {
    const namespace = await namespaceOf('frank')
    const approved = approvedServer({}, { user: user('frank') })
    const deleting: Api = {
      ...api,
      create: async (object) => {
        if (object.kind === 'Secret') {
          await kubectl('delete', 'namespace', namespace.name, '--wait=false')
          const phase = '--for=jsonpath={.status.phase}=Terminating'
          await kubectl('wait', phase, `namespace/${namespace.name}`).catch(() => undefined)
        }
        return api.create(object)
      },
    }
    const refusal = { code: /namespace_not_ready|start_interrupted/ }
    await t.rejects(launchWith(deleting)(namespace, approved, { credential: CREDENTIAL }), refusal)
    await kubectl('wait', '--for=delete', `namespace/${namespace.name}`, '--timeout=120s')
    const start = launchWith(api)(namespace, approved, { credential: CREDENTIAL })
    await t.rejects(start, { code: 'namespace_not_ready', message: /being deleted/ })
  })

  t.test('a quota that has no room, in plain words', async (t) => {
    const namespace = await namespaceOf('grace')
    const spec = { hard: { 'count/jobs.batch': '0' } }
    const quota = { name: 'mine', namespace: namespace.name }
    await server.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: quota, spec })
    const approved = approvedServer({}, { user: user('grace') })
    // Until then admission may not know it.
    const read = ['get', 'resourcequota', 'mine', `--namespace=${namespace.name}`, '--output=json']
    while (JSON.parse(await server.kubectl(...read)).status?.hard === undefined);
    await t.rejects(launchWith(api)(namespace, approved, { credential: CREDENTIAL }), {
      code: 'quota_exceeded',
      message: /quota "mine" .*count\/jobs.batch: 1 asked for, 0 of 0 used/,
    })
    t.same(await left(namespace), [])
  })

  await killed(t, server)
})

function failFor(kind: string, object: { kind?: string }): Promise<never> | undefined {
  return object.kind === kind ? Promise.reject(new Error('as tried')) : undefined
}

/** A proxy that is gone without a word, at each step; another one sets it right. */
async function killed(t: Test, server: ApiServer): Promise<void> {
  const { kubectl } = server
  const before = ['the Job', 'the Secret', 'the Job may go on', 'anybody is told']
  for (const [index, what] of before.entries()) {
    await t.test(`the proxy is killed before ${what}`, async (t) => {
      const program = join(import.meta.dirname, '../../../support/held-launch.ts')
      const child = spawn(process.execPath, [program, server.kubeconfig, `${index + 1}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      t.teardown(() => child.kill('SIGKILL'))
      const [line] = await once(createInterface(child.stdout), 'line')
      t.equal(line, 'held')
      child.kill('SIGKILL')
      await once(child, 'close')

      const given = { startSeconds: 5, reconcileSeconds: 1 }
      const { cluster, start } = await testKubernetes(t, server.kubeconfig, given)
      cluster.reconcile(async () => true)
      const { name } = await cluster.ensureNamespace(alice)
      if (index === 3) {
        const [status] = await cluster.list(alice)
        t.match(status, { name: 'default', phase: 'pending' }, 'it has been started')
      } else {
        for (const kind of ['jobs', 'secrets'])
          await kubectl('wait', '--for=delete', kind, '--all', '-n', name, '--timeout=120s')
        t.same(await cluster.list(alice), [], 'it is cleared away')
        t.match(await start(alice), { phase: 'pending' }, 'the name is free')
      }
      t.equal((await kubectl('get', 'jobs,secrets', '-n', name, '-o', 'name')).trim().split('\n').length, 2)
      await cluster.stop(alice, 'default')
      t.equal(await kubectl('get', 'jobs,secrets', '-n', name, '-o', 'name'), '')
    })
  }
}
