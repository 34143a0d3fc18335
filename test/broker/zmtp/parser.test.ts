import t from 'tap'
import { Parser, type ParserLimits, type ParserSink } from '../../../broker/zmtp/parser.ts'
import { command, frame, frameHeader, message } from '../../support/zmtp-peer.ts'

const LIMITS: ParserLimits = {
  maxFrames: 5,
  maxMessageBytes: 10_000,
  maxCommandBytes: 300,
  cutThroughBytes: 1000,
}

/** Writes down what is found, as text; `halting` names finds after which the parser is halted until proceed(). */
function read(limits: Partial<ParserLimits> = {}, halting: RegExp = /^never/) {
  const found: string[] = []
  const note = (what: string) => {
    found.push(what)
    if (halting.test(what)) parser.halt()
  }
  const join = (frames: Buffer[]) => frames.map((one) => one.toString('latin1')).join('|')
  const sink: ParserSink = {
    message: (frames) => note(`message ${join(frames)}`),
    streamBegin: (frames) => note(`stream ${join(frames)}`),
    frameBegin: (size) => note(`frame ${size}:`),
    frameData(chunk) {
      if (halting.test('data')) parser.halt()
      found[found.length - 1] += chunk.toString('latin1')
    },
    streamEnd: () => note('end'),
    command: (body) => note(`command ${body.toString('latin1', 1)}`),
    fault: (reason, frames) => note(`fault ${reason} ${join(frames)}`),
  }
  const parser = new Parser(sink, { ...LIMITS, ...limits })
  return { parser, found }
}

const long = 'x'.repeat(400)
const streamed = 'y'.repeat(1500)
const stream = Buffer.concat([
  message(['', 'token', 'f', 'a']),
  command('PING', Buffer.from('..context')),
  message(['envelope', '', long, 'b']),
  frame('', 1, true),
  frame('z', 0, true),
  message(['', 't', streamed, '']),
  message(['', 't', streamed, 'tail']),
  message(['last']),
])
const finds = [
  'message |token|f|a',
  'command PING..context',
  `message envelope||${long}|b`,
  'message |z',
  'stream |t',
  `frame 1500:${streamed}`,
  'frame 0:',
  'end',
  'stream |t',
  `frame 1500:${streamed}`,
  'frame 4:tail',
  'end',
  'message last',
]

t.test('the same is found wherever the reads are cut (P4, P7)', async (t) => {
  for (let cut = 0; cut <= stream.length; cut++) {
    const { parser, found } = read()
    parser.push(stream.subarray(0, cut))
    parser.push(stream.subarray(cut))
    if (found.join() !== finds.join()) t.same(found, finds, `cut at ${cut}`)
  }
  for (const size of [1, 2, 3, 7, 64]) {
    const { parser, found } = read()
    for (let at = 0; at < stream.length; at += size) parser.push(stream.subarray(at, at + size))
    t.same(found, finds, `reads of ${size}`)
    t.ok(parser.betweenMessages)
    t.equal(parser.held, 0)
  }
})

t.test('nothing is lost or given early when it is halted after every find (P6)', async (t) => {
  const { parser, found } = read({}, /^(message|stream|end|command|data)/)
  const steps: number[] = []
  for (let at = 0; at < stream.length; at += 300) parser.push(stream.subarray(at, at + 300))
  for (let before = -1; before !== found.length || steps.length < 40; parser.proceed()) {
    before = found.length
    steps.push(before)
  }
  t.same(found, finds)
  t.equal(found.length, finds.length)
  t.equal(steps[0], 1, 'one find, then it waits')
})

t.test('it counts what it holds', async (t) => {
  const { parser } = read()
  parser.push(Buffer.concat([frame('ab', 1), frameHeader(500, 0), Buffer.alloc(100)]))
  t.equal(parser.held, 102)
  t.notOk(parser.betweenMessages)
  parser.halt()
  parser.push(Buffer.alloc(50))
  t.equal(parser.held, 152)
  parser.stop()
  t.equal(parser.held, 0)
})

t.test('what breaks a limit or the grammar ends it (P4, P5)', async (t) => {
  const cases: [string, Buffer, string][] = [
    ['reserved flag', frame('x', 8), 'fault malformed '],
    ['command with more', frame('x', 5), 'fault malformed '],
    ['command within a message', Buffer.concat([frame('a', 1), command('PING')]), 'fault malformed a'],
    ['too many frames', message(['1', '2', '3', '4', '5', '6']), 'fault too_many_frames 1|2|3|4|5'],
    ['too large a frame', Buffer.concat([frame('a', 1), frameHeader(10_000)]), 'fault too_large a'],
    ['a size beyond numbers', Buffer.from([2, 255, 255, 255, 255, 255, 255, 255, 255]), 'fault too_large '],
    ['too large a command', frameHeader(301, 4), 'fault too_large '],
  ]
  for (const [name, bytes, expected] of cases) {
    for (const size of [1, bytes.length]) {
      const { parser, found } = read()
      for (let at = 0; at < bytes.length; at += size) parser.push(bytes.subarray(at, at + size))
      parser.push(message(['more']))
      t.same(found, [expected], name)
    }
  }
})

t.test('many small frames that are too long together stream, too (P7)', async (t) => {
  const { parser, found } = read({ maxFrames: 10 })
  const part = 'p'.repeat(400)
  parser.push(message([part, part, part, part]))
  t.same(found, [`stream ${part}|${part}`, `frame 400:${part}`, `frame 400:${part}`, 'end'])
})
