import t from 'tap'
import { untilAborted, withPauses } from '../../../proxy/plugins/streams.ts'

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

t.test('items pass through until the source ends', async (t) => {
  async function* source() {
    yield* [1, 2, 3]
  }
  t.same(await collect(untilAborted(source(), new AbortController().signal)), [1, 2, 3])
  t.same(await collect(withPauses(source(), 60_000)), [1, 2, 3])
})

t.test('a source that fails because of the signal ends without an error', async (t) => {
  const stop = new AbortController()
  async function* source() {
    yield 1
    stop.abort()
    throw stop.signal.reason
  }
  t.same(await collect(untilAborted(source(), stop.signal)), [1])
})

t.test('a source that fails by itself fails', async (t) => {
  async function* source() {
    yield 1
    throw new Error('gone')
  }
  await t.rejects(collect(untilAborted(source(), new AbortController().signal)), { message: 'gone' })
  await t.rejects(collect(withPauses(source(), 60_000)), { message: 'gone' })
})

t.test('a pause is told, and loses no item', async (t) => {
  const late = Promise.withResolvers<void>()
  async function* source() {
    yield 1
    await late.promise
    yield 2
  }
  const seen: (number | undefined)[] = []
  for await (const item of withPauses(source(), 1)) {
    seen.push(item)
    if (seen.length === 3) late.resolve()
  }
  t.same(seen.slice(0, 3), [1, undefined, undefined])
  t.equal(seen.at(-1), 2)
})
