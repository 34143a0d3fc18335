import t from 'tap'
import { borrow, giveBack } from '../../../broker/zmtp/memory.ts'

t.test('memory is large enough, and used again', async (t) => {
  for (const size of [1, 16_383, 16_384, 16_385, 65_536, 100_000, 1_048_576, 1_048_577])
    t.ok(borrow(size).length >= size)
  const memory = borrow(100_000)
  giveBack(memory)
  t.equal(borrow(80_000), memory)
  t.not(borrow(80_000), memory, 'never twice at once')
})

t.test('only so much is kept', async (t) => {
  const many = Array.from({ length: 40 }, () => borrow(1_048_576))
  for (const memory of many) giveBack(memory)
  const again = new Set(Array.from({ length: 40 }, () => borrow(1_048_576)))
  t.ok(many.filter((memory) => again.has(memory)).length <= 32)
})

t.test('small and huge memory is not kept', async (t) => {
  for (const size of [100, 2_000_000]) {
    const memory = borrow(size)
    giveBack(memory)
    t.not(borrow(size), memory)
  }
})
