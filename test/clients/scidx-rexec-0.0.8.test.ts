import { clients } from '../support/clients.ts'
import { testClient } from './matrix/matrix.ts'

await testClient(clients[0]!, async (t, alice) => {
  await t.test('another environment replaces the server: this client cannot ask for it', async (t) => {
    t.match(await alice.run('set_environment(PYTHON, "six==1.17.0")'), { status: 200, Status: /replaced/ })
    t.equal(await alice.run('remote_func(lambda: __import__("six").__version__)()'), '1.17.0')
    t.match(await alice.raises('remote_func(lambda: __import__("iniconfig"))()'), {
      message: /No module named/,
    })
  })

  await t.test('requirements that are not allowed', async (t) => {
    t.match(
      await alice.raises('set_environment(PYTHON, "six @ https://example.org/six.whl")'),
      { name: 'RuntimeError', message: /Failed to send/ },
      'all that this client says',
    )
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server goes on')
  })
})
