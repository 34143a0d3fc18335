import t from 'tap'
import type { Static } from 'typebox'
import { RexecError } from '../../common/errors.ts'
import type { StartedBody } from '../../proxy/schemas.ts'
import { BOB, bodyOf, startApp } from '../support/test-app.ts'

const python311 = { python: '3.11' }
const python312 = { python: '3.12' }

t.test('the pipeline starts a server and hands out what is needed to use it', async (t) => {
  const { fetch, cluster, verify } = await startApp(t)
  const answer = await fetch('/api/v1/servers', { method: 'POST', json: python311 })
  t.equal(answer.status, 201)
  const { server, broker, token, expiresAt } = await bodyOf<Static<typeof StartedBody>>(answer)
  t.match(server, { name: 'default', user: 'alice', phase: 'starting', python: '3.11' })
  t.same(broker, { address: 'tcp://broker.test:5559', host: 'broker.test', port: '5559' })
  const exec = await verify('exec', token)
  t.match(exec, { user: 'alice', server: 'default' })
  t.equal(new Date(expiresAt).getTime(), exec.expiresAt * 1000)
  t.same(cluster.calls, ['list alice', 'namespace alice', 'start alice/default'])
  const credential = await verify('server', cluster.credentials[0]!)
  t.match(credential, { user: 'alice', server: 'default' })
  const margin = credential.expiresAt - Date.parse(server.expiresAt) / 1000
  t.ok(margin > 290 && margin <= 305, 'the credential outlives the server a little')
  await t.rejects(verify('exec', cluster.credentials[0]!), { code: 'token_wrong_kind' })
})

t.test('the same environment is used again, another one is refused or replaced', async (t) => {
  const { fetch, cluster, registry } = await startApp(t)
  const post = (json: object) => fetch('/api/v1/servers', { method: 'POST', json })
  t.equal((await post(python311)).status, 201)
  t.equal((await post(python311)).status, 200)
  t.equal((await post({ ...python311, replace: true })).status, 200, 'nothing to replace')
  const differs = await post(python312)
  t.equal(differs.status, 409)
  t.match(await differs.json(), { code: 'server_differs', detail: /"replace": true/ })
  const replaced = await post({ ...python312, replace: true })
  t.equal(replaced.status, 201)
  t.match(await replaced.json(), { server: { python: '3.12' } })
  t.same(
    cluster.calls.filter((call) => /^(start|stop)/.test(call)),
    ['start alice/default', 'stop alice/default', 'start alice/default'],
  )
  const metrics = await registry.metrics()
  for (const line of ['{outcome="started"} 1', '{outcome="reused"} 2', '{outcome="replaced"} 1'])
    t.match(metrics, `rexec_server_starts_total${line}`)
})

t.test('a server that has ended gives way without asking', async (t) => {
  const { fetch, cluster } = await startApp(t)
  const post = (json: object) => fetch('/api/v1/servers', { method: 'POST', json })
  for (const phase of ['failed', 'stopped', 'stopping'] as const) {
    await post({ ...python311, replace: true })
    cluster.set('alice', 'default', phase)
    t.equal((await post(python312)).status, 201, phase)
    cluster.set('alice', 'default', phase)
    t.equal((await post(python312)).status, 201, `${phase}, with the same environment`)
  }
})

t.test('two racing requests make one server', async (t) => {
  const { fetch, cluster } = await startApp(t)
  const post = (json: object) => fetch('/api/v1/servers', { method: 'POST', json })
  const answers = await Promise.all([post(python311), post(python311), post(python311), post(python312)])
  t.same(answers.map(({ status }) => status).sort(), [200, 200, 201, 409])
  t.equal(cluster.calls.filter((call) => call.startsWith('start')).length, 1)
})

t.test('a start and a stop of one user do not run into each other', async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: python311 })
  const answers = await Promise.all([
    fetch('/api/v1/servers', { method: 'POST', json: { ...python312, replace: true } }),
    fetch('/api/v1/servers/default', { method: 'DELETE' }),
    fetch('/api/v1/servers', { method: 'POST', json: { ...python311, replace: true } }),
  ])
  for (const { status } of answers) t.ok([200, 201, 204].includes(status))
  t.ok(cluster.servers.size <= 1)
})

t.test('the limit counts servers that live, and other names than the one asked for', async (t) => {
  const { fetch, cluster } = await startApp(t, { settings: { limits: { serversPerUser: 2 } } })
  const post = (name: string, token?: string) =>
    fetch('/api/v1/servers', { method: 'POST', json: { ...python311, name }, ...(token && { token }) })
  t.equal((await post('a')).status, 201)
  t.equal((await post('b')).status, 201)
  const third = await post('c')
  t.equal(third.status, 429)
  t.match(await third.json(), { code: 'server_limit_reached' })
  t.match(third.headers.get('retry-after'), /^\d+$/)
  t.equal((await post('b')).status, 200, 'one that runs is used again')
  t.equal((await post('c', BOB)).status, 201, "bob's limit is his own")
  cluster.set('alice', 'a', 'failed')
  t.equal((await post('c')).status, 201)
})

t.test('what the security model refuses starts nothing', async (t) => {
  const { fetch, cluster } = await startApp(t)
  const cases: [object, number, string][] = [
    [{}, 400, 'python_not_allowed'],
    [{ python: '2.7' }, 400, 'python_not_allowed'],
    [{ ...python311, name: '../other' }, 400, 'name_invalid'],
    [{ ...python311, name: 'A' }, 400, 'name_invalid'],
    [{ ...python311, profile: 'gpu' }, 400, 'profile_unknown'],
    [{ ...python311, requirements: ['numpy; rm -rf /'] }, 400, 'requirement_invalid'],
    [{ ...python311, requirements: ['--index-url=http://evil'] }, 400, 'requirement_invalid'],
    [{ ...python311, env: { LD_PRELOAD: 'x' } }, 400, 'env_invalid'],
    [{ ...python311, resources: { cpu: 1000 } }, 400, 'resources_exceed_profile'],
  ]
  for (const [json, status, code] of cases) {
    const answer = await fetch('/api/v1/servers', { method: 'POST', json })
    t.equal(answer.status, status)
    t.match(await answer.json(), { code }, JSON.stringify(json))
  }
  t.same(cluster.calls, [])
})

t.test('a cluster that is away is 503 and stops nothing', async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: python311 })
  cluster.ensureNamespace = () => Promise.reject(new RexecError('cluster_unavailable'))
  const answer = await fetch('/api/v1/servers', { method: 'POST', json: { ...python312, replace: true } })
  t.equal(answer.status, 503)
  t.match(answer.headers.get('retry-after'), /^\d+$/)
  t.match(await answer.json(), { code: 'cluster_unavailable' })
  t.equal(cluster.servers.get('alice/default')?.python, '3.11', 'the old server lives on')
})

t.test("a namespace that is somebody else's is 409", async (t) => {
  const { fetch, cluster } = await startApp(t)
  cluster.ensureNamespace = () => Promise.reject(new RexecError('namespace_not_owned'))
  const answer = await fetch('/api/v1/servers', { method: 'POST', json: python311 })
  t.equal(answer.status, 409)
  t.match(await answer.json(), { code: 'namespace_not_owned' })
})

t.test('a server that goes by itself while it is replaced is replaced', async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: python311 })
  cluster.stop = async () => {
    cluster.servers.clear()
    throw new RexecError('server_not_found')
  }
  const answer = await fetch('/api/v1/servers', { method: 'POST', json: { ...python312, replace: true } })
  t.equal(answer.status, 201)
})
