import t from 'tap'
import { bytes, figure, table } from '../../bench/table.ts'

t.test('a table is Markdown with aligned columns', async (t) => {
  const lines = table(
    ['size', 'calls'],
    [
      ['64 B', '1'],
      ['100 MiB', '12'],
    ],
  ).split('\n')
  t.same(lines, ['| size    | calls |', '| ------- | ----: |', '| 64 B    |     1 |', '| 100 MiB |    12 |'])
})

t.test('figures have three digits that count', async (t) => {
  t.same([0.12345, 1.2345, 191_234].map(figure), ['0.123', '1.23', '191,000'])
})

t.test('sizes have their unit', async (t) => {
  t.same([64, 1024, 65_536, 104_857_600].map(bytes), ['64 B', '1 KiB', '64 KiB', '100 MiB'])
})
