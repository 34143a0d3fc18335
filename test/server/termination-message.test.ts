import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { leaveTerminationMessage, terminationMessage } from '../../server/termination-message.ts'

t.test('a short message stays as it is', async (t) => {
  const file = join(t.testdir({ log: 'what was there before, which is longer than what comes' }), 'log')
  leaveTerminationMessage(file, { state: 'failed', message: 'No "x".', code: 'install_failed' })
  t.equal(await readFile(file, 'utf8'), '{"state":"failed","message":"No \\"x\\".","code":"install_failed"}')
})

t.test('a long one keeps its end, whole characters, in at most 4096 bytes', async (t) => {
  for (const character of ['x', 'é', '語', '😀', '"', '\\', '\n', '\u0001']) {
    const message = `The installer said: ${character.repeat(5000)} What to do. [install_failed]`
    const written = terminationMessage({ state: 'failed', message, code: 'install_failed' })
    const bytes = Buffer.byteLength(written)
    t.ok(bytes <= 4096 && bytes > 4096 - 16, `${bytes} bytes of ${JSON.stringify(character)}`)
    const read = JSON.parse(written)
    t.match(read.message, /^… /)
    t.ok(message.endsWith(read.message.slice(2)))
    t.notMatch(written, '\ufffd')
  }
})
