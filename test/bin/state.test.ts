import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openState } from '../../bin/state.ts'
import { createVerifier } from '../../common/tokens.ts'
import { temporaryFolder } from '../support/local-cluster.ts'

t.test('keys and tokens are made once and kept', async (t) => {
  const folder = join(await temporaryFolder(t), 'state')
  const first = await openState(folder)
  t.same(
    first.users.map(({ name }) => name),
    ['alice', 'bob'],
  )
  t.equal(new Set([first.brokerCredential, ...first.users.map(({ token }) => token)]).size, 3)
  await first.release()
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  t.equal((await stat(join(folder, 'secrets.json'))).mode & 0o777, 0o600)

  await chmod(join(folder, 'secrets.json'), 0o644)
  const second = await openState(folder)
  t.same(second.users, first.users)
  const { token } = await second.signer.sign('exec', { user: 'alice' }, 60)
  t.match(await createVerifier(first.signer.publicKeys)('exec', token), { user: 'alice' })
  t.equal((await stat(join(folder, 'secrets.json'))).mode & 0o777, 0o600, 'others may not read it any more')
  await second.release()
})

t.test('tokens of different folders differ', async (t) => {
  const [a, b] = await Promise.all([1, 2].map(async () => openState(await temporaryFolder(t))))
  t.not(a!.users[0]!.token, b!.users[0]!.token)
})

t.test('a folder that is in use is refused', async (t) => {
  const folder = await temporaryFolder(t)
  await openState(folder)
  await t.rejects(openState(folder), { name: 'Problem', message: /in use by another rexec .*--state/ })
})

t.test('damaged secrets are not replaced behind your back', async (t) => {
  for (const text of [
    '',
    '{',
    'null',
    '{"tokens":{}}',
    '{"signingKey":{},"brokerCredential":"x","tokens":{"alice":1}}',
  ]) {
    const folder = await temporaryFolder(t)
    await writeFile(join(folder, 'secrets.json'), text)
    await t.rejects(openState(folder), { name: 'Problem', message: /is damaged. Remove it/ }, text)
    t.equal(await readFile(join(folder, 'secrets.json'), 'utf8'), text)
    await t.rejects(openState(folder), { message: /is damaged/ }, 'the lock was given back')
  }
})
