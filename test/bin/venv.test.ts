import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { choosePython } from '../../bin/client.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { fakeProgram } from '../support/fake-program.ts'
import { temporaryFolder } from '../support/local-cluster.ts'

process.env.XDG_CACHE_HOME = await temporaryFolder(t)
const python = await choosePython()
const packages = ['packaging==25.0']

t.test('an environment is made once, also when two ask at once', async (t) => {
  const lines: string[] = []
  const options = { python, packages, onLine: (line: string) => lines.push(line) }
  const [first, second] = await Promise.all([ensureVenv('x', options), ensureVenv('x', options)])
  t.equal(first, second)
  t.equal(lines.filter((line) => line.startsWith('making a Python')).length, 1)
  t.equal(lines.filter((line) => line.startsWith('waiting for process')).length, 1)
  const { stdout } = await promisify(execFile)(first, [
    '-c',
    'import packaging; print(packaging.__version__)',
  ])
  t.equal(stdout, '25.0\n')

  lines.length = 0
  t.equal(await ensureVenv('x', options), first)
  t.same(lines, [], 'it is there')
  t.not(
    await ensureVenv('y', { python, packages: ['packaging==24.2'] }),
    first,
    'other packages, another one',
  )

  await t.test('a broken one is made anew', async (t) => {
    await rm(first)
    await writeFile(first, 'no interpreter')
    t.equal(await ensureVenv('x', options), first)
    t.equal(lines.filter((line) => line.startsWith('making a Python')).length, 1)
  })
})

t.test('what is missing is said in a sentence', async (t) => {
  const without = await fakeProgram(t, 'python3', 'echo "3.11 False /usr/bin/python3"')
  await t.rejects(ensureVenv('z', { python: join(without, 'python3'), packages }), {
    name: 'Problem',
    message: /\/usr\/bin\/python3 has no venv module\. .*apt install python3\.11-venv/,
  })
  await t.rejects(ensureVenv('z', { python: '/no/such/python', packages }), {
    name: 'Problem',
    message: /\/no\/such\/python was not found or does not run\. Install Python/,
  })
  await t.rejects(ensureVenv('z', { python, packages: ['packaging==0.0.0.1'] }), {
    name: 'Problem',
    message: /pip could not install packaging==0\.0\.0\.1: ERROR/,
  })
})

t.test('without a network the package that is missing is named', async (t) => {
  process.env.PIP_INDEX_URL = 'http://127.0.0.1:9/simple'
  process.env.PIP_FIND_LINKS = ''
  t.teardown(() => {
    delete process.env.PIP_INDEX_URL
  })
  await t.rejects(ensureVenv('w', { python, packages: ['packaging==24.1'] }), {
    name: 'Problem',
    message: /^packaging==24\.1 could not be fetched: .*Check the network/,
  })
})
