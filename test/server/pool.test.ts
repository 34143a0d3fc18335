import t from 'tap'
import { Call } from '../../server/call.ts'
import { Pool, type PooledChild } from '../../server/pool.ts'

function setUp(options: { prefork?: number; concurrency?: number } = {}) {
  const log: string[] = []
  const pool = new Pool({
    prefork: options.prefork ?? 1,
    concurrency: options.concurrency ?? 2,
    fork: (count) => log.push(`fork ${count}`),
    kill: (pid) => log.push(`kill ${pid}`),
    onHopeless: ({ reason }) => log.push(`hopeless: ${reason}`),
  })
  const child = (pid: number): PooledChild => ({
    pid,
    finished: false,
    gone: false,
    run: (call) => log.push(`${call.id} runs in ${pid}`),
    exited: () => log.push(`${pid} exited`),
    close: () => log.push(`${pid} is let go`),
    write: () => undefined,
    pause: () => {},
    resume: () => {},
  })
  const call = (id: string) =>
    new Call(
      id,
      async () => void log.push(`event of ${id}`),
      (ended) => pool.end(ended),
    )
  return { log, pool, child, call }
}

t.test(
  'a waiting process takes the call; its end is the end of the process, and the next is forked',
  async (t) => {
    const { log, pool, child, call } = setUp()
    t.teardown(() => pool.close())
    pool.fill()
    pool.add(child(1))
    const first = call('a')
    pool.submit(first)
    first.done()
    t.strictSame(log, ['fork 1', 'a runs in 1', 'event of a', 'kill 1', '1 is let go', 'fork 1'])
  },
)

t.test('what is cleared up after a call waits until the call is out of the way', async (t) => {
  const { log, pool, child, call } = setUp({ prefork: 2 })
  t.teardown(() => pool.close())
  const first = child(1)
  const alive = setInterval(() => {}, 1000) // the pool's own timers keep no process alive
  t.teardown(() => clearInterval(alive))
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  first.close = () => {
    log.push('1 is let go')
    resolve()
  }
  pool.fill()
  pool.add(first)
  pool.add(child(2))
  const a = call('a')
  pool.submit(a)
  first.finished = true
  a.done()
  log.push('the event is on its way')
  await letGo
  t.strictSame(
    log.slice(log.indexOf('event of a')).filter((line) => !line.startsWith('fork')),
    ['event of a', 'the event is on its way', '1 is let go'],
  )
  t.notOk(log.includes('kill 1'), 'it ends by itself')
})

t.test('calls over the concurrency wait, in their order', async (t) => {
  const { log, pool, child, call } = setUp({ prefork: 2, concurrency: 1 })
  t.teardown(() => pool.close())
  const [a, b, c] = [call('a'), call('b'), call('c')]
  for (const each of [a, b, c]) pool.submit(each)
  pool.add(child(1))
  pool.add(child(2))
  c.cancel('')
  a.done()
  t.strictSame(
    log.filter((line) => line.includes('runs')),
    ['a runs in 1', 'b runs in 2'],
  )
  t.strictSame(pool.calls, [b])
})

t.test('processes that die before they are ready do not leave calls waiting', async (t) => {
  const { log, pool, call } = setUp()
  t.teardown(() => pool.close())
  pool.submit(call('a'))
  pool.exited({ pid: 0, code: 0, reason: 'no memory' })
  t.ok(log.includes('event of a'))
  t.strictSame(pool.calls, [])
})

t.test('an idle process that dies is not given calls', async (t) => {
  const { log, pool, child, call } = setUp()
  t.teardown(() => pool.close())
  pool.fill()
  pool.add(child(1))
  pool.exited({ pid: 1, code: -9 })
  pool.submit(call('a'))
  t.notOk(log.includes('a runs in 1'))
  t.ok(log.includes('fork 1'))
})

t.test('claims to be a process that was not ordered, or one that is there: it is sent away', async (t) => {
  const { log, pool, child, call } = setUp({ prefork: 2 })
  t.teardown(() => pool.close())
  pool.add(child(666))
  pool.fill()
  pool.add(child(1))
  const [real, claim] = [child(2), child(2)]
  pool.add(real)
  pool.fill()
  pool.add(claim)
  pool.submit(call('a'))
  pool.submit(call('b'))
  t.strictSame(
    log.filter((line) => /run|let go/.test(line)),
    ['666 is let go', '2 is let go', 'a runs in 1', 'b runs in 2'],
  )
})

t.test(
  'a waiting process that has closed its connection is given no call, whether its exit is known or not',
  async (t) => {
    const { log, pool, child, call } = setUp({ prefork: 2 })
    t.teardown(() => pool.close())
    pool.fill()
    const [first, second] = [child(1), child(2)]
    pool.add(first)
    pool.add(second)
    first.gone = true
    pool.submit(call('a'))
    t.strictSame(
      log.filter((line) => line.includes('runs')),
      ['a runs in 2'],
    )
    pool.fill()
    t.equal(log.at(-1), 'fork 2')
  },
)

t.test('when no process becomes ready, again and again, and no call runs, that is told', async (t) => {
  const { log, pool, child, call } = setUp()
  t.teardown(() => pool.close())
  let time = 0
  t.intercept(performance, 'now', { value: () => time })
  const hopeless = () => log.filter((line) => line.startsWith('hopeless'))
  const stillborn = () => pool.exited({ pid: 0, code: 0, reason: 'no more processes' })
  pool.fill()
  for (let i = 0; i < 19; i++) stillborn()
  pool.fill()
  pool.add(child(1))
  const running = call('a')
  pool.submit(running)
  for (let i = 0; i < 50; i++) stillborn()
  time += 60_000
  stillborn()
  t.strictSame(hopeless(), [], 'a call may use all processes for as long as it likes')
  pool.end(running)
  for (let i = 0; i < 50; i++) stillborn()
  t.strictSame(hopeless(), [], 'nor are many attempts in no time: what it has started may still be ending')
  time += 10_000
  stillborn()
  t.strictSame(hopeless(), ['hopeless: no more processes'])
})
