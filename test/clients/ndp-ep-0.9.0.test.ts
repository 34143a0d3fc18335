import { clients } from '../support/clients.ts'
import { testClient } from './matrix/matrix.ts'

await testClient(clients[2]!, async (t, alice, { url }) => {
  await t.test('the service has told the client where everything is', async (t) => {
    t.equal(await alice.run('remote_func.rexec_api_url'), `${url}/spawn`, 'for later set_environment calls')
  })

  await t.test('another environment', async (t) => {
    const refused = await alice.run('set_environment(PYTHON, "six==1.17.0")')
    t.match(refused, { code: 'server_differs' }, 'is refused: this client does not ask for a replacement')
    t.match(await alice.run('terminate()'), { Status: /terminated/ })
    t.match(await alice.raises('parse("x.ini")'), { name: 'RuntimeError', message: /\[no_server\]/ })
    t.match(await alice.run('set_environment(PYTHON, "six==1.17.0")'), { Status: /created/ })
    t.equal(await alice.run('remote_func(lambda: __import__("six").__version__)()'), '1.17.0')
  })

  await t.test('a wrong token', async (t) => {
    await alice.run('GIVEN["token"] = "of-nobody-at-all"')
    t.match(await alice.raises('terminate()'), { name: 'ValueError', message: /Failed to terminate/ })
    t.match(await alice.raises('set_environment(PYTHON)'), { name: 'ValueError', message: /token_invalid/ })
  })
})
