import type { Test } from 'tap'
import type { Notebook } from '../../support/notebook.ts'

/** A server with a package that the client does not have; leaves it running. */
export async function testEnvironment(t: Test, alice: Notebook): Promise<void> {
  const created = await alice.run<{ Status: string; Username: string }>(
    'set_environment(PYTHON, "# of the test", "", "iniconfig==2.1.0")',
  )
  t.match(created, { Status: /created/, Username: 'alice' })

  await alice.run(`
    @remote_func
    def parse(path):
        import iniconfig
        return iniconfig.IniConfig(path, "[a]\\nb=1")["a"]["b"]
  `)
  t.equal(await alice.run('parse("x.ini")'), '1', 'the first call waits for the server')
  await alice.stderr.until(/Installing .*iniconfig/)
  t.match(alice.stderr.text, /Successfully installed .*iniconfig-2\.1\.0/, 'and shows how it starts')
  t.equal(alice.stdout.text, '', "which is not the function's own output")

  const reused = await alice.run<{ Status: string }>('set_environment(PYTHON, "iniconfig==2.1.0")')
  t.match(reused, { Status: /exists/ }, 'the same environment is used again')
  t.match(
    await alice.raises('set_environment("iniconfig==2.1.0", "python>=3.9")'),
    { name: 'InvalidRequirement', message: /exact Python version/ },
    'the client itself wants an exact Python version',
  )
}
