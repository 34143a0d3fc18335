import t from 'tap'
import { stalePages } from '../../docs/generate.ts'

t.test('the pages made from code say what the code says (else: npm run docs)', async (t) => {
  t.same(await stalePages(), [])
})
