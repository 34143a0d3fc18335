import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { createSigner, createVerifier } from '../../common/tokens.ts'

const rexec = join(import.meta.dirname, '../../bin/rexec.ts')
const run = (...args: string[]) => promisify(execFile)(process.execPath, [rexec, 'keys', ...args])

t.test('keys that proxy and broker can use, the secret ones for their owner alone', async (t) => {
  const out = join(t.testdir(), 'keys')
  const { stdout } = await run('--out', out)
  t.same(
    stdout.trim().split('\n'),
    ['signing-key.json', 'public-keys.json', 'broker-credential'].map((name) => join(out, name)),
  )
  const read = (name: string) => readFileSync(join(out, name), 'utf8').trim()
  for (const name of ['signing-key.json', 'broker-credential']) {
    t.equal(statSync(join(out, name)).mode & 0o777, 0o600, name)
  }
  t.match(read('broker-credential'), /^[\w-]{43}$/)
  t.notMatch(read('public-keys.json'), /"d"/, 'no private part')

  const signer = await createSigner(JSON.parse(read('signing-key.json')))
  const { token } = await signer.sign('exec', { user: 'alice' }, 60)
  t.match(await createVerifier(JSON.parse(read('public-keys.json')))('exec', token), { user: 'alice' })
})

t.test('keys that exist are never written over', async (t) => {
  const out = t.testdir({ 'signing-key.json': 'precious' })
  await t.rejects(run('--out', out), { code: 1, stderr: /signing-key\.json exists already/ })
  t.equal(readFileSync(join(out, 'signing-key.json'), 'utf8'), 'precious')
})

t.test('without a folder', async (t) => {
  await t.rejects(run(), { code: 2, stderr: /rexec keys --out DIR/ })
})
