import { once } from 'node:events'
import { join } from 'node:path'
import t from 'tap'
import { findMarked } from '../../proxy/cluster/local/processes.ts'
import { fakeProgram } from '../support/fake-program.ts'
import { temporaryFolder } from '../support/local-cluster.ts'
import { rexec } from '../support/rexec-command.ts'

const ESCAPE = '\u001b'

t.test('the demo shows everything and leaves nothing behind', async (t) => {
  const state = await temporaryFolder(t)
  const { code, stdout, stderr } = await rexec(t, ['demo'], { XDG_STATE_HOME: state }).ended
  t.match({ code, stderr }, { code: 0, stderr: '' }, stdout)
  const shown = [
    /scidx-rexec==0\.1\.0 from PyPI, unmodified/,
    /http:\/\/127\.0\.0\.1:\d+\/services\/rexec/,
    /remote \+.* \| Hello world, this is Python 3\./,
    /returned: \{'pid': \d+, 'host': /,
    /It ran in process \d+ on .*; this is process \d+ on /,
    /here: {2}No module named 'cowsay'/,
    /moo from the other side/,
    /yield 3\n(.*\n)*.*yield 2\n(.*\n)*.*yield 1\n/,
    /ZeroDivisionError/,
    /KeyboardInterrupt here;/,
    /over there is gone/,
    /\d ms there and back/,
    /== What next/,
  ]
  for (const text of shown) t.match(stdout, text)
  t.notOk(stdout.includes(ESCAPE), 'no colours or progress where it is not a terminal')
  t.notMatch(stdout, /Bearer|token/i)
  t.same(await findMarked(state), [])
})

t.test('a demo that is stopped ends everything that it started', async (t) => {
  const state = await temporaryFolder(t)
  const { child, output, ended } = rexec(t, ['demo'], { XDG_STATE_HOME: state })
  while (!output.stdout.includes('the first call waits')) await once(child.stdout!, 'data')
  child.kill('SIGTERM')
  t.match(await ended, { code: 1, stderr: /did not come to its end: it was stopped/ })
  t.same(await findMarked(state), [])
})

t.test('what is missing is said in a sentence', async (t) => {
  const home = await temporaryFolder(t)
  const fresh = {
    HOME: home,
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CACHE_HOME: join(home, 'cache'),
    PYENV_ROOT: undefined,
  }

  const noPython = await rexec(t, ['demo'], { ...fresh, PATH: home }).ended
  t.match(noPython, { code: 1, stderr: /^rexec: python3 was not found or does not run\. Install Python/m })

  const noVenv = await fakeProgram(t, 'python3', 'echo "3.11 False /usr/bin/python3"')
  t.match(await rexec(t, ['demo'], { ...fresh, PATH: noVenv }).ended, {
    code: 1,
    stderr: /^rexec: \/usr\/bin\/python3 has no venv module\. Install it/m,
  })

  const noNetwork = { ...fresh, PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_FIND_LINKS: '' }
  t.match(await rexec(t, ['demo'], { ...noNetwork, PYENV_ROOT: process.env.PYENV_ROOT }).ended, {
    code: 1,
    stderr: /^rexec: scidx-rexec==0\.1\.0 could not be fetched: .* Check the network/m,
  })
})
