import t from 'tap'
import { awakeTime } from '../../broker/clock.ts'

t.test('a process that stood still for an hour has grown older by less than a second', (t) => {
  let time = 1000
  t.intercept(performance, 'now', { value: () => time })
  const begin = awakeTime()
  time += 100
  t.equal(awakeTime() - begin, 100)
  time += 3_600_000
  t.ok(awakeTime() - begin < 1000)
  const after = awakeTime()
  time += 100
  t.equal(awakeTime() - after, 100, 'and goes on as before')
  t.end()
})
