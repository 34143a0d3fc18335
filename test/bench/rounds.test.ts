import t from 'tap'
import { alternate, quantile, ratio, summarize } from '../../bench/rounds.ts'

t.test('contenders take turns, every other round backwards', async (t) => {
  const order: string[] = []
  let figure = 0
  const contender = (name: string) => async () => {
    order.push(name)
    return ++figure
  }
  const figures = await alternate(3, { a: contender('a'), b: contender('b') })
  t.same(order, ['a', 'b', 'b', 'a', 'a', 'b'])
  t.same(figures, { a: [1, 4, 5], b: [2, 3, 6] })
})

t.test('on a slow machine there are fewer rounds, but one', async (t) => {
  t.same(await alternate(3, { a: async () => 1, b: async () => 2 }, 0), { a: [1], b: [2] })
})

t.test('median and spread', async (t) => {
  t.same(summarize([3, 1, 2]), { median: 2, min: 1, max: 3, rounds: [3, 1, 2] })
  t.equal(summarize([1, 2]).median, 1.5)
  t.equal(quantile([10, 20, 30, 40, 50], 0.95), 48)
  t.equal(quantile([7], 0.95), 7)
})

t.test('ratios are taken within each round', async (t) => {
  t.same(ratio([10, 40], [10, 20]).rounds, [1, 2])
})
