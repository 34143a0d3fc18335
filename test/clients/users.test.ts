import t from 'tap'
import { client, findClient } from '../support/clients.ts'
import { startLocalService } from '../support/local-service.ts'
import { type Notebook, openNotebook } from '../support/notebook.ts'

const WHERE = `
  from concurrent.futures import ThreadPoolExecutor

  @remote_func
  def where():
      import os
      return os.getppid()  # of the server, which every call has a process of its own in

  def servers(calls):
      with ThreadPoolExecutor(8) as pool:
          return sorted(set(pool.map(lambda _: where(), range(calls))))
`

const { python, skip } = await findClient(client)

t.test('two users at once', { skip }, async (t) => {
  const service = await startLocalService(t)
  const users = [service.as('alice'), service.as('bob')] as const
  const [alice, bob] = users.map((user) => openNotebook(t, python, user, client)) as [Notebook, Notebook]
  await Promise.all([alice.run('set_environment(PYTHON)'), bob.run('set_environment(PYTHON)')])
  await Promise.all([alice.run(WHERE), bob.run(WHERE)])

  const [ofAlice, ofBob] = await Promise.all([
    alice.run<number[]>('servers(100)'),
    bob.run<number[]>('servers(100)'),
  ])
  t.equal(ofAlice.length, 1, "all of alice's calls ran in one server")
  t.equal(ofBob.length, 1, "all of bob's as well")
  t.not(ofAlice[0], ofBob[0], 'and never in the other one')

  t.test('bob sees and stops his own server only', async (t) => {
    const bobAsks = (path: string, method = 'GET') =>
      fetch(`${service.url}/api/v1/servers${path}`, {
        method,
        headers: { authorization: `Bearer ${service.as('bob').token}` },
      })
    const { servers } = (await (await bobAsks('')).json()) as { servers: { user: string }[] }
    t.same(
      servers.map(({ user }) => user),
      ['bob'],
    )
    t.match(await bob.run('terminate()'), { Status: /terminated/, Username: 'bob' })
    t.same(await alice.run('servers(1)'), ofAlice, "alice's server goes on")
    t.match(await bob.raises('where()'), { message: /\[no_server\]/ }, "bob's calls do not go to it")
    t.match(await bob.run('terminate()'), { Status: /no remote execution server/ })
    t.equal((await bobAsks('/default', 'DELETE')).status, 404, 'nor can he stop it by its name')
    t.same(await alice.run('servers(1)'), ofAlice)
  })
})
