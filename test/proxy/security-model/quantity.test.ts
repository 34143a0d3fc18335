import t from 'tap'
import { parseQuantity } from '../../../proxy/security-model/quantity.ts'

t.test('quantities stand for numbers', async (t) => {
  const cases: [string | number, number][] = [
    [0.5, 0.5],
    ['0', 0],
    ['2', 2],
    ['0.5', 0.5],
    ['500m', 0.5],
    ['100m', 0.1],
    ['1m', 0.001],
    ['1100m', 1.1],
    ['1k', 1000],
    ['1e3', 1000],
    ['1E3', 1000],
    ['128Mi', 128 * 1024 * 1024],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['2G', 2e9],
    ['1Ti', 2 ** 40],
  ]
  for (const [quantity, number] of cases) t.equal(parseQuantity(quantity), number, String(quantity))
})

t.test('anything else is refused', async (t) => {
  for (const text of [
    '',
    'Gi',
    '1gi',
    '1GiB',
    '-1',
    '+1',
    '1 Gi',
    ' 1',
    '1\n',
    '.5',
    '1.',
    '1e',
    '0x10',
    'Infinity',
    '1e999',
  ]) {
    t.throws(() => parseQuantity(text), TypeError, JSON.stringify(text))
  }
})
