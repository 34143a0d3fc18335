import t from 'tap'
import { BOB, startApp } from '../../../../support/test-app.ts'

t.test("a user's servers are that user's alone", async (t) => {
  const { fetch } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'mine' } })
  t.match(await (await fetch('/api/v1/servers')).json(), { servers: [{ name: 'mine', user: 'alice' }] })
  t.match(await (await fetch('/api/v1/servers/mine')).json(), { name: 'mine', phase: 'starting' })

  t.same(await (await fetch('/api/v1/servers', { token: BOB })).json(), { servers: [] })
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['GET', '/logs'],
    ['GET', '/events'],
  ]) {
    const answer = await fetch(`/api/v1/servers/mine${path}`, { method: method!, token: BOB })
    t.equal(answer.status, 404, `${method} ${path}`)
    t.match(await answer.json(), { code: 'server_not_found' })
  }
  t.equal((await fetch('/api/v1/servers/mine')).status, 200, 'it is still there')
})

t.test('DELETE stops a server', async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
  const answer = await fetch('/api/v1/servers/default', { method: 'DELETE' })
  t.equal(answer.status, 204)
  t.equal(await answer.text(), '')
  t.equal(cluster.servers.size, 0)
  t.equal((await fetch('/api/v1/servers/default', { method: 'DELETE' })).status, 404)
})

t.test('the reason of a failure is shown', async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
  const status = cluster.servers.get('alice/default')!
  cluster.servers.set('alice/default', {
    ...status,
    phase: 'failed',
    message: 'No such package.',
    code: 'install_failed',
  })
  t.match(await (await fetch('/api/v1/servers/default')).json(), {
    phase: 'failed',
    message: 'No such package.',
    code: 'install_failed',
  })
})
