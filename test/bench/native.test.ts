import t from 'tap'
import { buildNative } from '../../bench/native.ts'
import { VENV } from '../../bench/venv.ts'
import { ensureVenv } from '../../bin/venv.ts'

t.test('without a C compiler the bench says what to install', async (t) => {
  const python = await ensureVenv(VENV.name, { packages: VENV.packages })
  const path = process.env.PATH
  t.teardown(() => {
    process.env.PATH = path
  })
  process.env.PATH = t.testdir()
  await t.rejects(buildNative(python, t.testdirName), { name: 'Problem', message: /no C compiler\. Install/ })
})
