import t from 'tap'
import { MAX_PART } from '../../common/protocol.ts'
import { Call, HIGH_WATER, type Runner } from '../../server/call.ts'

/** A call with a network that takes messages when told to, and a process that records what it gets. */
function setUp() {
  const sent: (Buffer | string)[][] = []
  const takers: (() => void)[] = []
  const log: string[] = []
  const call = new Call(
    'c1',
    (frames) => {
      sent.push(frames)
      return new Promise((resolve) => takers.push(resolve))
    },
    () => log.push('ended'),
  )
  const runner: Runner = {
    write: (chunks) => void log.push(`write ${Buffer.concat(chunks).length}`),
    pause: () => log.push('pause'),
    resume: () => log.push('resume'),
  }
  const takeAll = async () => {
    for (const take of takers.splice(0)) take()
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { call, runner, sent, log, takeAll }
}

const heads = (sent: (Buffer | string)[][]) =>
  sent.map((frames) => frames.slice(0, 3).map(String).join(' ').slice(0, 30))

t.test('frames that come before there is a process are kept for it', async (t) => {
  const { call, runner, log } = setUp()
  call.frame(10, Buffer.from('01234'))
  call.part(Buffer.from('56789'))
  call.run(runner)
  t.strictSame(log, ['write 19'])
})

t.test('the process waits while the network does', async (t) => {
  const { call, runner, log, takeAll } = setUp()
  call.run(runner)
  call.output('stdout', 'x'.repeat(HIGH_WATER))
  call.output('stdout', 'y')
  t.strictSame(log, ['pause'])
  await takeAll()
  t.strictSame(log, ['pause', 'resume'])
})

t.test('a large event goes in FRAME and PARTs', async (t) => {
  const { call, runner, sent } = setUp()
  call.run(runner)
  call.item(Buffer.alloc(MAX_PART), 0, MAX_PART + 5)
  call.item(Buffer.alloc(5), MAX_PART, MAX_PART + 5)
  call.done()
  t.strictSame(
    heads(sent).map((head) => head.replaceAll('\0', '')),
    ['EVENT c1 more', `FRAME c1 ${MAX_PART + 5}`, 'PART c1 ', 'EVENT c1 final'],
  )
})

t.test(
  'one that breaks off is filled up before the final event, for the broker takes nothing else (S4)',
  async (t) => {
    const { call, runner, sent, log, takeAll } = setUp()
    call.run(runner)
    call.item(Buffer.alloc(MAX_PART), 0, 3 * MAX_PART + 7)
    call.fail('worker_died')
    t.strictSame(log.at(-1), 'ended')
    for (let i = 0; i < 6; i++) await takeAll()
    t.strictSame(
      sent.slice(2).map(([verb, , bytes]) => [verb, bytes!.length]),
      [
        ['PART', MAX_PART],
        ['PART', MAX_PART],
        ['PART', 7],
        ['EVENT', 5],
      ],
    )
  },
)

t.test('nothing follows the final event (C1)', async (t) => {
  const { call, runner, sent, log } = setUp()
  call.run(runner)
  call.cancel('enough')
  call.output('stdout', 'late')
  call.done()
  call.abandon()
  t.equal(sent.length, 1)
  t.strictSame(log.filter((entry) => entry === 'ended').length, 1)
})
