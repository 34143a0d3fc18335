import t from 'tap'
import { clientOn, clientPythons } from '../support/clients.ts'
import { startLocalService } from '../support/local-service.ts'
import { type Notebook, openNotebook } from '../support/notebook.ts'

const interpreters = await clientPythons()
const versions = Object.keys(interpreters)

t.test('a client and a server of each Python', async (t) => {
  t.comment(`Python ${versions.join(', ')}`)
  const service = await startLocalService(t)
  const open = async (version: string, user: 'alice' | 'bob'): Promise<Notebook> =>
    openNotebook(t, await clientOn(version, interpreters[version]!), service.as(user))

  for (const version of versions) {
    await t.test(`Python ${version}`, async (t) => {
      const alice = await open(version, 'alice')
      t.match(await alice.run('set_environment(PYTHON, force_reinstall=True)'), { status: 200 })
      await alice.run(`
        @remote_func
        def version():
            import sys
            print("hello from over there")
            try:
                raise ValueError("for the line table")
            except ValueError as error:
                assert error.__traceback__.tb_lineno > 0
            return "%d.%d" % sys.version_info[:2]
      `)
      t.equal(await alice.run('version()'), version)
      await alice.stdout.until(/hello from over there/)
      t.match(await alice.raises('remote_func(lambda: 1 / 0)()'), { message: /ZeroDivisionError/ })
    })
  }

  const skip = versions.length < 2 && 'needs two versions of Python'
  await t.test('a mismatch is named', { skip }, async (t) => {
    const [one, other] = versions as [string, string]
    const [bob, elsewhere] = await Promise.all([open(one, 'bob'), open(other, 'bob')])
    t.match(await bob.run('set_environment(PYTHON)'), { status: 200 })
    t.equal(await bob.run('remote_func(lambda: 42)()'), 42)
    const error = await elsewhere.raises(`
      remote_func.set_exec_token(GIVEN["token"])
      remote_func(lambda: [n for n in (1, 2)])()
    `)
    t.match(error, { name: 'RuntimeError', message: /\[client_mismatch\]$/ })
    t.ok(error.message.includes(one) && error.message.includes(other), error.message)
  })
})
