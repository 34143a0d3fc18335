import t from 'tap'
import { openDoorbell } from '../support/doorbell.ts'
import { freePort } from '../support/free-port.ts'
import { startSeparateService } from '../support/separate-service.ts'
import { hubMissing, startHub } from './hub.ts'
import { startKernel } from './kernel.ts'
import { notebookConfig, notebookMissing, spawnNotebookServer } from './notebook-server.ts'
import { readQuickstart, runQuickstart } from './quickstart.ts'

const skip = (await hubMissing()) ?? (await notebookMissing()) ?? false

t.test('notebooks in servers that a hub has spawned, rexec behind its proxy', { skip }, async (t) => {
  const port = await freePort()
  const hub = await startHub(t, { serviceUrl: `http://127.0.0.1:${port}`, config: await notebookConfig() })
  await startSeparateService(t, {
    port,
    proxy: { identity: { authenticators: ['jupyterhub'], jupyterhub: { apiUrl: hub.apiUrl } } },
  })
  const [alice, bob] = await Promise.all(
    ['alice', 'bob'].map(async (user) => startKernel(t, await spawnNotebookServer(hub, user))),
  )

  await t.test('docs/user/quickstart.ipynb shows what is saved in it', (t) => runQuickstart(t, alice!))

  await t.test('interrupting the kernel ends the function, and not the server', async (t) => {
    await alice!.run('remote_func.set_environment("requirements.txt", token)')
    const doorbell = await openDoorbell(t)
    const call = alice!.run(forever(doorbell.port))
    const { gone } = await doorbell.next(call)
    await alice!.interrupt()
    t.match((await call).error, { name: 'KeyboardInterrupt' })
    await gone
    t.match(await alice!.run('sizes([1])'), { result: "['1 Byte']" })
  })

  await t.test('a user without the scope reads why not', async (t) => {
    const { connect } = await readQuickstart()
    t.match(await bob!.run(connect!.source), { error: { name: 'AssertionError', message: /scope_missing/ } })
  })
})

/** A call that says when it runs, and then waits together with a process that it has started. */
const forever = (port: number) => `
@remote_func
def forever():
    import socket, subprocess

    bell = socket.create_connection(("127.0.0.1", ${port}))
    child = subprocess.Popen(["sleep", "infinity"], pass_fds=[bell.fileno()])
    bell.sendall(b"it runs\\n")
    child.wait()


forever()
`
