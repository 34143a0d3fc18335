import t from 'tap'
import { Recent } from '../../../proxy/identity/recent.ts'

t.test('a value is remembered for its time', async (t) => {
  let now = 0
  const recent = new Recent<string>({ seconds: 5, maxEntries: 10, now: () => now })
  recent.set('a', 'A')
  now = 4999
  t.equal(recent.get('a'), 'A')
  now = 5000
  t.equal(recent.get('a'), undefined)
  t.equal(recent.size, 0, 'and given up when it is over')
})

t.test('the least recently used one goes first', async (t) => {
  const recent = new Recent<number>({ seconds: 5, maxEntries: 2, now: () => 0 })
  recent.set('a', 1)
  recent.set('b', 2)
  recent.get('a')
  recent.set('c', 3)
  t.same([recent.get('a'), recent.get('b'), recent.get('c')], [1, undefined, 3])
  recent.set('a', 4)
  t.same([recent.size, recent.get('a')], [2, 4], 'setting again takes no more room')
  recent.delete('a')
  t.equal(recent.get('a'), undefined)
})

t.test('no time means nothing is remembered', async (t) => {
  const recent = new Recent<number>({ seconds: 0, maxEntries: 2, now: () => 0 })
  recent.set('a', 1)
  t.equal(recent.get('a'), undefined)
})
