import t from 'tap'
import { header, MessageReader, message } from '../../server/message.ts'

function read(chunks: Buffer[], partBytes = 1000): [string, string, number, number][] {
  const seen: [string, string, number, number][] = []
  const reader = new MessageReader(partBytes, (type, part, offset, size) => {
    seen.push([type, String(part), offset, size])
  })
  for (const chunk of chunks) reader.push(chunk)
  return seen
}

t.test('messages are found however the stream is cut', async (t) => {
  const stream = Buffer.concat([message('A', 'first'), message('B'), message('C', 'third')])
  const expected = [
    ['A', 'first', 0, 5],
    ['B', '', 0, 0],
    ['C', 'third', 0, 5],
  ]
  t.strictSame(read([stream]), expected)
  t.strictSame(read([...stream].map((byte) => Buffer.from([byte]))), expected)
  t.strictSame(read([stream.subarray(0, 11), stream.subarray(11)]), expected)
})

t.test('a large body comes in parts of partBytes, and no more is held', async (t) => {
  const expected = [
    ['D', 'abcd', 0, 10],
    ['D', 'efgh', 4, 10],
    ['D', 'ij', 8, 10],
    ['E', 'x', 0, 1],
  ]
  const stream = Buffer.concat([message('D', 'abcdefghij'), message('E', 'x')])
  t.strictSame(read([stream], 4), expected)
  t.strictSame(
    read(
      [...stream].map((byte) => Buffer.from([byte])),
      4,
    ),
    expected,
  )
})

t.test('lengths beyond 4 GiB', async (t) => {
  const seen = read([header('F', 2 ** 33), Buffer.from('abcd')], 4)
  t.strictSame(seen, [['F', 'abcd', 0, 2 ** 33]])
})
