import { getEventListeners, once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { V1Namespace } from '@kubernetes/client-node'
import t, { type Test } from 'tap'
import { Registry } from '../../../../common/metrics.ts'
import { SettingsError } from '../../../../common/settings.ts'
import { connect } from '../../../../proxy/cluster/kubernetes/api.ts'
import {
  ApiError,
  isAlreadyExists,
  isConflict,
  isGone,
  isNotFound,
} from '../../../../proxy/cluster/kubernetes/api-error.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { collect, temporaryFolder } from '../../../support/local-cluster.ts'
import { startRelay } from '../../../support/relay.ts'

const namespace = (name: string, more: object = {}): V1Namespace => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...more },
})

/** A fake API server that answers as it is told, and a kubeconfig for it. */
async function fakeApiServer(t: Test, answer: RequestListener, user: object = {}) {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const folder = await temporaryFolder(t)
  const kubeconfig = join(folder, 'kubeconfig.json')
  await writeFile(
    kubeconfig,
    JSON.stringify({
      clusters: [{ name: 'c', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  return { kubeconfig, folder, url }
}

/** That a call is refused in this way. */
async function refused(t: Test, call: Promise<unknown>, is: (error: unknown) => boolean, message?: string) {
  const error = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  t.ok(is(error), message ?? `${error}`)
}

const status = (code: number) => (error: unknown) => error instanceof ApiError && error.status === code

const json = { 'content-type': 'application/json' }

t.test('a real API server', { skip: await apiServerMissing() }, async (t) => {
  const server = await startApiServer(t)

  t.test('calls share few connections', async (t) => {
    const relay = await startRelay(t, server.kubeconfig, server.folder)
    const api = testApi(t, relay.kubeconfig)
    for (let call = 0; call < 100; call++) await api.core.listNamespace()
    t.ok(relay.connections <= 2, `100 one after the other: ${relay.connections}`)
    await Promise.all(Array.from({ length: 300 }, () => api.core.readNamespace({ name: 'default' })))
    t.ok(relay.connections <= 64, `300 at once: ${relay.connections} connections`)
    const before = relay.connections
    for (let call = 0; call < 50; call++) {
      await api.apply(namespace('shared'))
      await api.patch(namespace('shared'), { metadata: { annotations: { call: `${call}` } } })
    }
    t.equal(relay.connections, before, 'writing takes no others')
    await api.close()
  })

  t.test('what comes back is as the typed clients give it', async (t) => {
    const api = testApi(t, server.kubeconfig)
    const made = await api.create(namespace('typed', { labels: { a: 'b' } }))
    t.type(made.metadata!.creationTimestamp, Date)
    const read = await api.core.readNamespace({ name: 'typed' })
    t.same(read.metadata!.creationTimestamp, made.metadata!.creationTimestamp)
    await refused(t, api.create(namespace('typed')), isAlreadyExists)
    const { uid } = made.metadata!
    await refused(t, api.patch(made, { metadata: { uid: 'another', labels: { a: 'c' } } }), isConflict)
    await refused(t, api.remove(namespace('typed', { uid: 'another' })), isConflict)
    t.equal((await api.core.readNamespace({ name: 'typed' })).metadata!.labels!.a, 'b', 'nothing has changed')
    await api.remove(namespace('typed', { uid }))
    await refused(t, api.core.readNamespace({ name: 'not-there' }), isNotFound)
  })

  t.test('a field that Kubernetes does not know is refused', async (t) => {
    const api = testApi(t, server.kubeconfig)
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace: 'default' },
      spec: { podSelector: {}, ingress: [{ form: [] }] },
    }
    await t.rejects(api.apply(policy), /form/)
    await t.rejects(api.create(policy), /form/)
  })

  t.test('a watch goes on beyond the time for calls, and ends with its signal', async (t) => {
    const api = testApi(t, server.kubeconfig, 1)
    const stop = new AbortController()
    const seen: string[] = []
    const opened = Promise.withResolvers<void>()
    const watching = (async () => {
      const query = { fieldSelector: 'metadata.name=watched' }
      for await (const { type, object } of api.watch<V1Namespace>(
        '/api/v1/namespaces',
        query,
        stop.signal,
        opened.resolve,
      )) {
        if (type === 'BOOKMARK') continue
        t.type(object.metadata!.creationTimestamp, Date)
        seen.push(`${type} ${object.metadata!.name}`)
        if (seen.length === 2) return
      }
    })()
    await opened.promise
    // Twice the time in which a call must be answered.
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await server.kubectl('create', 'namespace', 'watched')
    await server.kubectl('label', 'namespace', 'watched', 'seen=yes')
    await watching
    t.same(seen, ['ADDED watched', 'MODIFIED watched'])

    const other = new AbortController()
    const until = collect(api.watch('/api/v1/namespaces', {}, other.signal, () => other.abort()))
    t.same(await until, [], 'aborted: it ends without an error')
    t.same(await collect(api.watch('/api/v1/namespaces', {}, other.signal)), [])
    t.equal(getEventListeners(other.signal, 'abort').length, 0)
    t.equal(getEventListeners(stop.signal, 'abort').length, 0)
  })

  t.test('a network that lets nothing through ends a call in its time', async (t) => {
    const relay = await startRelay(t, server.kubeconfig, server.folder)
    const api = testApi(t, relay.kubeconfig, 1)
    await api.core.listNamespace()
    relay.freeze()
    const start = performance.now()
    await t.rejects(api.core.listNamespace(), { name: 'ApiError', status: undefined })
    t.ok(performance.now() - start < 15_000, 'long before the system gives up a connection')
    await relay.cut()
    await t.rejects(api.core.listNamespace(), { name: 'ApiError', status: undefined })
    await relay.mend()
    t.ok((await api.core.listNamespace()).items.length > 0, 'the next call connects anew')
  })

  t.test('the token of the service account is read again', async (t) => {
    await server.kubectl('create', 'serviceaccount', 'reader')
    const root = await temporaryFolder(t)
    const account = join(root, 'var/run/secrets/kubernetes.io/serviceaccount')
    await mkdir(account, { recursive: true })
    const config = JSON.parse(await server.kubectl('config', 'view', '--raw', '-o', 'json'))
    const ca = Buffer.from(config.clusters[0].cluster['certificate-authority-data'], 'base64')
    await writeFile(join(account, 'ca.crt'), ca)
    await writeFile(join(account, 'token'), 'header.of-a-token-that-has.expired')
    const { hostname, port } = new URL(server.url)
    process.env.KUBERNETES_SERVICE_HOST = hostname
    process.env.KUBERNETES_SERVICE_PORT = port
    const api = connect({ requestSeconds: 10 }, new Registry(), root)
    t.teardown(() => api.close())
    const review = {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    }
    await refused(t, api.authentication.createSelfSubjectReview(review), status(401))
    await writeFile(join(account, 'token'), await server.kubectl('create', 'token', 'reader'))
    const reviewed = await api.authentication.createSelfSubjectReview(review)
    t.equal(reviewed.status?.userInfo?.username, 'system:serviceaccount:default:reader')
  })
})

t.test('a redirect is not followed, nor does it get the token', async (t) => {
  const asked: string[] = []
  const other = await fakeApiServer(t, (request, response) => {
    asked.push(`${request.headers.authorization}`)
    response.writeHead(200, json).end('{}')
  })
  const { kubeconfig } = await fakeApiServer(
    t,
    (_, response) => response.writeHead(302, { location: `${other.url}/api/v1/namespaces` }).end(),
    { token: 'secret' },
  )
  const api = testApi(t, kubeconfig)
  await t.rejects(api.core.listNamespace(), { name: 'ApiError', status: 302 })
  await refused(t, collect(api.watch('/api/v1/namespaces', {}, AbortSignal.timeout(5000))), status(302))
  t.same(asked, [])
})

t.test('a watch of what is forgotten says so', async (t) => {
  const { kubeconfig } = await fakeApiServer(t, (_, response) => {
    const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
    response.writeHead(200, json).end(`${JSON.stringify({ type: 'ERROR', object })}\n`)
  })
  const signal = AbortSignal.timeout(5000)
  await refused(t, collect(testApi(t, kubeconfig).watch('/api/v1/pods', {}, signal)), isGone)
  // The connection is closed in a later turn.
  while (getEventListeners(signal, 'abort').length > 0) await new Promise(setImmediate)
  t.equal(getEventListeners(signal, 'abort').length, 0)
})

t.test('names that would leave their place in a path stay one name', async (t) => {
  const asked: string[] = []
  const { kubeconfig } = await fakeApiServer(t, (request, response) => {
    asked.push(request.url!)
    response.writeHead(404, json).end('{}')
  })
  const api = testApi(t, kubeconfig)
  const name = '../../secrets?x=1#'
  await refused(t, api.core.readNamespace({ name }), isNotFound)
  await refused(t, api.patch(namespace(name), {}), isNotFound)
  const options = { follow: false, signal: AbortSignal.timeout(5000) }
  await refused(t, collect(api.logLines(name, name, name, options)), isNotFound)
  const encoded = encodeURIComponent(name)
  t.ok(asked[0]?.startsWith(`/api/v1/namespaces/${encoded}`), `${asked[0]}`)
  t.ok(asked[1]?.startsWith(`/api/v1/namespaces/${encoded}?`), `${asked[1]}`)
  t.ok(asked[2]?.startsWith(`/api/v1/namespaces/${encoded}/pods/${encoded}/log?container=`), `${asked[2]}`)
})

t.test('an API server that is busy is asked again when it says so, within the time', async (t) => {
  let asked = 0
  const { kubeconfig } = await fakeApiServer(t, (_, response) => {
    asked++
    if (asked % 3 === 0) return response.writeHead(200, json).end('{"kind":"NamespaceList","items":[]}')
    response.writeHead(429, { ...json, 'retry-after': '0' }).end('{}')
  })
  const api = testApi(t, kubeconfig, 1)
  t.same((await api.core.listNamespace()).items, [])
  t.equal(asked, 3)

  const busy = await fakeApiServer(t, (_, response) => response.writeHead(429, { 'retry-after': '60' }).end())
  await refused(t, testApi(t, busy.kubeconfig, 1).core.listNamespace(), status(429))
})

t.test('an API server that never answers with good credentials is asked twice', async (t) => {
  let asked = 0
  const { kubeconfig } = await fakeApiServer(t, (_, response) => {
    asked++
    response.writeHead(401, json).end('{}')
  })
  await refused(t, testApi(t, kubeconfig).core.listNamespace(), status(401))
  t.equal(asked, 2)
})

t.test('lines of a log, however they are cut', async (t) => {
  const { kubeconfig } = await fakeApiServer(t, async (_, response) => {
    response.writeHead(200)
    const bytes = Buffer.from('one\ntwo é\n\nlast without end')
    for (const byte of bytes) {
      response.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  })
  const options = { follow: true, signal: AbortSignal.timeout(10_000) }
  const lines = await collect(testApi(t, kubeconfig).logLines('n', 'p', 'c', options))
  t.same(lines, ['one', 'two é', '', 'last without end'])
})

t.test('calls are counted by what they were', async (t) => {
  const { kubeconfig } = await fakeApiServer(t, (_, response) => response.writeHead(404, json).end('{}'))
  const registry = new Registry()
  const api = connect({ kubeconfig, requestSeconds: 1 }, registry)
  t.teardown(() => api.close())
  await t.rejects(api.batch.listNamespacedJob({ namespace: 'n' }))
  await t.rejects(api.core.readNamespace({ name: 'n' }))
  await t.rejects(api.apply(namespace('n')))
  await t.rejects(collect(api.logLines('n', 'p', 'c', { follow: false, signal: AbortSignal.timeout(5000) })))
  const text = await registry.getSingleMetricAsString('rexec_kubernetes_request_seconds')
  const labels = [...text.matchAll(/_count\{(.*)\} 1/g)].map(([, labels]) => labels)
  t.same(labels, [
    'verb="get",resource="jobs",code="404"',
    'verb="get",resource="namespaces",code="404"',
    'verb="apply",resource="namespaces",code="404"',
    'verb="log",resource="pods/log",code="404"',
  ])
})

t.test('a kubeconfig that cannot be used is a mistake in the settings', async (t) => {
  const folder = await temporaryFolder(t)
  const use = (kubeconfig?: string) => connect({ kubeconfig, requestSeconds: 1 }, new Registry(), folder)
  t.throws(() => use(join(folder, 'none')), SettingsError)
  const file = join(folder, 'empty.json')
  await writeFile(file, '{}')
  t.throws(() => use(file), /current cluster/)
  t.throws(() => use(), /required outside a pod/)
})
