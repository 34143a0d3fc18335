import t from 'tap'
import { createTurns } from '../../proxy/turns.ts'

t.test('works of one key run one after another, those of different keys side by side', async (t) => {
  const inTurn = createTurns(10)
  const seen: string[] = []
  const first = Promise.withResolvers<void>()
  const works = [
    inTurn('alice', async () => {
      await first.promise
      seen.push('alice 1')
    }),
    inTurn('alice', async () => seen.push('alice 2')),
    inTurn('bob', async () => seen.push('bob')),
  ]
  await works[2]
  t.same(seen, ['bob'])
  first.resolve()
  await Promise.all(works)
  t.same(seen, ['bob', 'alice 1', 'alice 2'])
})

t.test('a work that fails does not stop the next one', async (t) => {
  const inTurn = createTurns(10)
  const failing = inTurn('alice', async () => {
    throw new Error('first')
  })
  const next = inTurn('alice', async () => 'second')
  await t.rejects(failing, { message: 'first' })
  t.equal(await next, 'second')
})

t.test('a user tries to hold connections by requests that wait for their turn', async (t) => {
  const inTurn = createTurns(2)
  const first = Promise.withResolvers<void>()
  const accepted = [inTurn('mallory', () => first.promise), inTurn('mallory', async () => undefined)]
  await t.rejects(
    inTurn('mallory', async () => undefined),
    { code: 'too_many_requests' },
    'a third is refused at once',
  )
  await inTurn('alice', async () => undefined)
  first.resolve()
  await Promise.all(accepted)
  t.equal(await inTurn('mallory', async () => 'again'), 'again')
})
