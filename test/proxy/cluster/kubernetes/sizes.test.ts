import t from 'tap'
import { amount, bytes } from '../../../../proxy/cluster/kubernetes/sizes.ts'

t.test('sizes as people write them', async (t) => {
  const shown: [bytes: number, as: string][] = [
    [0, '0'],
    [1023, '1023'],
    [64 * 2 ** 20, '64Mi'],
    [1.5 * 2 ** 30, '1.5Gi'],
    [8 * 2 ** 30, '8Gi'],
    [2 ** 60, '1024Pi'],
  ]
  for (const [sum, as] of shown) t.equal(bytes(sum), as)
  t.equal(amount('500m'), 0.5)
  t.equal(amount('8Gi'), 8 * 2 ** 30)
  t.equal(amount('-1'), 0, 'what is no quantity')
})
