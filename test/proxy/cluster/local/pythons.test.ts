import { mkdir, symlink } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import t from 'tap'
import { findPythons, probePython } from '../../../../proxy/cluster/local/pythons.ts'
import { fakeProgram } from '../../../support/fake-program.ts'
import { temporaryFolder } from '../../../support/local-cluster.ts'

t.test('the interpreters of this machine', async (t) => {
  const pythons = await findPythons(process.env)
  t.not(Object.keys(pythons).length, 0)
  for (const [version, path] of Object.entries(pythons)) {
    t.ok(isAbsolute(path))
    t.match(await probePython(path, process.env), { version, hasVenv: true })
  }
})

t.test('what does not run, is too old or cannot make environments is left out', async (t) => {
  const scripts = {
    'broken python3': 'exit 1',
    'old python3': 'echo "3.6 True /usr/bin/python3.6"',
    'python3 without venv': 'echo "3.11 False /usr/bin/python3.11"',
    'chatty python3': 'echo hello; echo "3.11 True /usr/bin/python3.11"',
    'relative python3': 'echo "3.11 True python3"',
  }
  for (const [what, script] of Object.entries(scripts)) {
    const folder = await fakeProgram(t, 'python3', script)
    t.same(await findPythons({ PATH: folder, HOME: folder }), {}, what)
  }
})

t.test('uv makes environments where the venv module is missing', async (t) => {
  const folder = await fakeProgram(t, 'python3', 'echo "3.11 False /usr/bin/python3.11"')
  const uv = await fakeProgram(t, 'uv', 'exit 0')
  t.same(await findPythons({ PATH: `${folder}:${uv}`, HOME: folder }), { '3.11': '/usr/bin/python3.11' })
})

t.test('the first on the PATH counts, then pyenv, then uv', async (t) => {
  const first = await fakeProgram(t, 'python3.11', 'echo "3.11 True /first"')
  const second = await fakeProgram(t, 'python3.11', 'echo "3.11 True /second"')
  const home = await temporaryFolder(t)
  for (const [root, version] of [
    ['.pyenv/versions/a', '3.11'],
    ['.pyenv/versions/b', '3.12'],
    ['.local/share/uv/python/c', '3.13'],
  ]) {
    const script = await fakeProgram(t, 'python', `echo "${version} True /managed"`)
    await mkdir(join(home, root!, 'bin'), { recursive: true })
    await symlink(join(script, 'python'), join(home, root!, `bin/python${version}`))
  }
  t.same(await findPythons({ PATH: `relative::${first}:${second}`, HOME: home }), {
    '3.11': '/first',
    '3.12': '/managed',
    '3.13': '/managed',
  })
})
