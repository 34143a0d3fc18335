import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ensureUserFolder, folderName, makeRuntimeFolder } from '../../../../proxy/cluster/local/folders.ts'
import { temporaryFolder } from '../../../support/local-cluster.ts'

t.test('a folder is used by its recorded owner alone', async (t) => {
  const users = join(await temporaryFolder(t), 'users')
  const folder = await ensureUserFolder(users, 'alice')
  t.equal(await ensureUserFolder(users, 'alice'), folder)
  await writeFile(join(folder, 'owner'), 'Alice')
  await t.rejects(ensureUserFolder(users, 'alice'), { code: 'namespace_not_owned' })
})

t.test("a link to somebody else's folder is not followed", async (t) => {
  const users = join(await temporaryFolder(t), 'users')
  const ofBob = await ensureUserFolder(users, 'bob')
  await symlink(ofBob, join(users, folderName('alice')))
  await t.rejects(ensureUserFolder(users, 'alice'), { code: 'namespace_not_owned' })
})

t.test('a file in place of a folder is refused', async (t) => {
  const users = await temporaryFolder(t)
  await writeFile(join(users, folderName('alice')), '')
  await t.rejects(ensureUserFolder(users, 'alice'), { code: 'namespace_not_owned' })
})

t.test("sockets have a short path, however long the state folder's is", async (t) => {
  const state = join(await temporaryFolder(t), 'long'.repeat(40))
  await mkdir(state)
  const first = await makeRuntimeFolder(state)
  t.ok(join(first, '1000-16/agent.sock').length < 100)
  await writeFile(join(first, 'left'), '')
  const second = await makeRuntimeFolder(state)
  t.teardown(() => rm(second, { recursive: true }))
  t.equal(await realpath(join(state, 'runtime')), await realpath(second))
  await t.rejects(realpath(first), { code: 'ENOENT' }, 'the earlier one is removed')
})

t.test('a long TMPDIR is not used for sockets', async (t) => {
  const before = process.env.TMPDIR
  const long = join(await mkdtemp(join(tmpdir(), 'rexec-test-')), 'x'.repeat(100))
  await mkdir(long)
  process.env.TMPDIR = long
  t.teardown(async () => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
    await rm(join(long, '..'), { recursive: true })
  })
  const runtime = await makeRuntimeFolder(await temporaryFolder(t))
  t.teardown(() => rm(runtime, { recursive: true }))
  t.ok(runtime.startsWith('/tmp/'))
})
