import { PassThrough } from 'node:stream'
import t from 'tap'
import { MAX_LINE, readLines } from '../../../../proxy/cluster/local/lines.ts'

function linesOf(...chunks: (string | Buffer)[]): Promise<string[]> {
  const stream = new PassThrough()
  const lines: string[] = []
  readLines(stream, (line) => lines.push(line))
  for (const chunk of chunks) stream.write(chunk)
  stream.end()
  return new Promise((resolve) => stream.on('close', () => resolve(lines)))
}

t.test('lines, however they are cut', async (t) => {
  t.same(await linesOf('on', 'e\ntw', 'o\n', '\n', 'last'), ['one', 'two', '', 'last'])
  const [first, second] = [Buffer.from('ä\n').subarray(0, 1), Buffer.from('ä\n').subarray(1)]
  t.same(await linesOf(first, second), ['ä'])
  t.same(await linesOf(), [])
})

t.test('a flood without newlines does not fill the memory', async (t) => {
  const lines = await linesOf(...Array.from({ length: 50 }, () => 'x'.repeat(10_000)), '\n')
  t.ok(lines.every((line) => line.length <= MAX_LINE))
  t.equal(lines.join('').length, 500_000)
})
