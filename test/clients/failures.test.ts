import t from 'tap'
import { client, findClient } from '../support/clients.ts'
import { openDoorbell } from '../support/doorbell.ts'
import { startLocalService } from '../support/local-service.ts'
import { openNotebook } from '../support/notebook.ts'
import { findProcesses } from '../support/processes.ts'
import { FOREVER } from './matrix/interrupt.ts'

const { python, skip } = await findClient(client)

t.test('what breaks', { skip }, async (t) => {
  const service = await startLocalService(t)
  const connection = service.as('alice')
  const alice = openNotebook(t, python, connection, client)
  const bell = await openDoorbell(t)
  /** The server's state when it has ended: the stream of events ends with it. */
  const lastState = async () => {
    const headers = { authorization: `Bearer ${connection.token}` }
    const server = `${service.url}/api/v1/servers/default`
    await (await fetch(`${server}/events`, { headers })).text()
    return (await fetch(server, { headers })).json()
  }
  await alice.run(FOREVER)

  await t.test('requirements that cannot be installed', async (t) => {
    t.match(await alice.run('set_environment(PYTHON, "six==99.99")'), { status: 200 })
    const error = await alice.raises('remote_func(lambda: 42)()')
    t.equal(error.name, 'RuntimeError')
    t.match(
      error.message,
      /No matching distribution found for six==99\.99/,
      "the waiting call raises pip's reason",
    )
    t.match(error.message, /\[install_failed\]/)
    t.match(await lastState(), { phase: 'failed', code: 'install_failed', message: /six==99\.99/ })
    const later = await alice.raises('remote_func(lambda: 42)()')
    t.match(later, { name: 'RuntimeError', message: /six==99\.99/ }, 'and so does every later call')
    t.match(
      await alice.run('set_environment(PYTHON)'),
      { status: 200, Status: /created|replaced/ },
      'a failed server is not in the way of another environment',
    )
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
  })

  await t.test('the function takes all the memory that it can get', async (t) => {
    const error = await alice.raises('remote_func(lambda: len(bytearray(64 * 2**30)))()')
    t.match(error, { name: 'RuntimeError', message: /MemoryError.*\[out_of_memory\]$/ })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server goes on')
  })

  await t.test('the client is killed in the middle of a call', async (t) => {
    const another = openNotebook(t, python, connection, client)
    await another.run(`${FOREVER}\n  remote_func.set_exec_token(GIVEN["token"])`)
    const call = another.run(`forever(${bell.port})`).catch((error) => error)
    const ring = await bell.next(call)
    another.kill()
    await ring.gone
    t.pass('its function is ended')
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server goes on')
  })

  await t.test('the function kills the parent of all functions', async (t) => {
    // Its own process is another one: whether it still returns is a race.
    await alice
      .run('remote_func(lambda: __import__("os").kill(__import__("os").getppid(), 9))()')
      .catch((error) => t.match(error, { message: /\[worker_lost\]$/ }))
    // So it is with the next call, which may get a process that was ready before.
    const later = await alice.raises('while True: remote_func(lambda: 42)()')
    t.match(later, { name: 'RuntimeError', message: /lost its worker.*\[worker_lost\]$/ })
    t.notMatch(later.message, /\[worker_lost\].*\[worker_lost\]/, 'says it once')
    t.match(await alice.run('set_environment(PYTHON)'), { status: 200, Status: /created|replaced/ })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'a new server works')
  })

  await t.test('the server is killed in the middle of a call', async (t) => {
    const call = alice.raises(`forever(${bell.port})`)
    const ring = await bell.next(call)
    const agents = (await findProcesses([service.state])).filter(({ command }) => / agent /.test(command))
    t.equal(agents.length, 1)
    process.kill(agents[0]!.pid, 'SIGKILL')
    t.match(await call, { name: 'RuntimeError', message: /\[server_lost\]/ }, 'the call fails at once')
    await ring.gone
    t.pass('the function does not outlive its server')
    const later = await alice.raises('remote_func(lambda: 42)()')
    t.match(later, { name: 'RuntimeError', message: /ended by SIGKILL.*\[server_lost\]$/ })
    t.match(await lastState(), { phase: 'failed' })
    t.match(await alice.run('set_environment(PYTHON)'), { status: 200, Status: /created|replaced/ })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'a new server works')
  })

  await t.test('the service is stopped in the middle of a call', async (t) => {
    const call = alice.raises(`forever(${bell.port})`)
    const ring = await bell.next(call)
    const code = await service.stop()
    t.match(await call, { name: 'RuntimeError', message: /\[\w+\]/ }, 'the client does not wait for ever')
    await ring.gone
    t.equal(code, 0)
    t.same(await findProcesses([service.state]), [], 'no process is left')
  })
})
