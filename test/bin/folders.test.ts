import { homedir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { cacheFolder, stateFolder } from '../../bin/folders.ts'

t.test('folders are where the XDG specification has them', async (t) => {
  const { XDG_STATE_HOME, XDG_CACHE_HOME } = process.env
  t.teardown(() =>
    Object.assign(process.env, {
      ...(XDG_STATE_HOME && { XDG_STATE_HOME }),
      ...(XDG_CACHE_HOME && { XDG_CACHE_HOME }),
    }),
  )
  delete process.env.XDG_STATE_HOME
  delete process.env.XDG_CACHE_HOME
  t.equal(stateFolder('local'), join(homedir(), '.local/state/rexec/local'))
  t.equal(cacheFolder('venvs'), join(homedir(), '.cache/rexec/venvs'))
  process.env.XDG_STATE_HOME = '/var/state'
  t.equal(stateFolder('local'), '/var/state/rexec/local')
  process.env.XDG_STATE_HOME = 'relative/is/ignored'
  t.equal(stateFolder('local'), join(homedir(), '.local/state/rexec/local'))
})
