import { client } from '../support/clients.ts'
import { testClient } from './matrix/matrix.ts'

await testClient(client, async (t, alice) => {
  await t.test('another environment replaces the server only if told', async (t) => {
    const refused = await alice.run('set_environment(PYTHON, "six==1.17.0")')
    t.match(refused, { status: 409, code: 'server_differs', detail: /force_reinstall=True/ })
    t.equal(await alice.run('parse("x.ini")'), '1', 'the server goes on with its environment')

    const replaced = await alice.run('set_environment(PYTHON, "six==1.17.0", force_reinstall=True)')
    t.match(replaced, { status: 200, Status: /replaced/ })
    t.equal(await alice.run('remote_func(lambda: __import__("six").__version__)()'), '1.17.0')
  })

  await t.test('requirements that are not allowed come back as JSON that reads well', async (t) => {
    const refused = await alice.run('set_environment(PYTHON, "six @ https://example.org/six.whl")')
    t.match(refused, { status: 400, code: 'requirement_invalid', detail: /URLs are not allowed/ })
    t.match(await alice.run('set_environment("six==1.17.0")'), { status: 400, code: 'python_required' })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server goes on')
  })

  await t.test('terminate', async (t) => {
    t.match(await alice.run('terminate()'), { status: 200, Status: /terminated/ })
    t.match(await alice.raises('parse("x.ini")'), { name: 'RuntimeError', message: /\[no_server\]/ })
    t.match(await alice.run('terminate()'), { status: 200, Status: /no remote execution server/ }, 'twice')
    t.match(await alice.run('set_environment(PYTHON, "six==1.17.0")'), { status: 200, Status: /created/ })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'and a new one')
  })
})
