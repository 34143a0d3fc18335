import t from 'tap'
import { staleFiles } from '../../docs/generate.ts'

t.test('the files made from code say what the code says (else: npm run docs)', async (t) => {
  t.same(await staleFiles(), [])
})
