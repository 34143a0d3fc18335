import { spawnSync } from 'node:child_process'
import t from 'tap'
import { type Picklable, pickle } from '../../common/pickle.ts'
import { createRandom, type Random } from '../support/random.ts'

const READ = `
import json, pickle, sys

def spell(value):
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, dict):
        return {key: spell(item) for key, item in value.items()}
    return value

json.dump([spell(pickle.loads(bytes.fromhex(line))) for line in json.load(sys.stdin)], sys.stdout)
`

/** What Python reads, with the types that JSON lacks spelled out: {"bytes": hex} and {"float": text}. */
function unpickle(pickles: Buffer[]): unknown[] {
  const input = JSON.stringify(pickles.map((bytes) => bytes.toString('hex')))
  const { status, stdout, stderr } = spawnSync('python3', ['-I', '-c', READ], { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

t.test('Python reads every kind of value as what it was', async (t) => {
  const cases: [Picklable, unknown][] = [
    [null, null],
    [true, true],
    [false, false],
    [0, 0],
    [-1, -1],
    [2 ** 31 - 1, 2 ** 31 - 1],
    [-(2 ** 31) + 1, -(2 ** 31) + 1],
    [2 ** 31, { float: '2147483648.0' }],
    [0.5, { float: '0.5' }],
    [-0.1, { float: '-0.1' }],
    [Number.POSITIVE_INFINITY, { float: 'inf' }],
    [Number.NaN, { float: 'nan' }],
    ['', ''],
    ['text\n\0\u{1F600}é', 'text\n\0\u{1F600}é'],
    ['lone \ud800', 'lone \ufffd'],
    ['x'.repeat(70_000), 'x'.repeat(70_000)],
    [Buffer.alloc(0), { bytes: '' }],
    [Buffer.from([0, 255, 128]), { bytes: '00ff80' }],
    [{}, {}],
    [
      { a: { b: { c: null } }, '': 1 },
      { a: { b: { c: null } }, '': 1 },
    ],
  ]
  t.strictSame(
    unpickle(cases.map(([value]) => pickle(value))),
    cases.map(([, expected]) => expected),
  )
})

t.test('nested values of every shape come out as they went in', async (t) => {
  const random = createRandom(11)
  const values = Array.from({ length: 200 }, () => value(random, 4))
  t.strictSame(unpickle(values.map(pickle)), values.map(spelled))
})

t.test('a name that every object has is a plain key', async (t) => {
  const tricky = JSON.parse('{"__proto__": 1, "constructor": 2}')
  const text = JSON.stringify(unpickle([pickle(tricky)]))
  t.equal(text, '[{"__proto__":1,"constructor":2}]')
})

function value(random: Random, depth: number): Picklable {
  const leaves: (() => Picklable)[] = [
    () => null,
    () => random.chance(0.5),
    () => random.below(2 ** 31) - 2 ** 30,
    () => String.fromCodePoint(...Array.from({ length: random.below(9) }, () => 1 + random.below(0xd7ff))),
    () => Buffer.from(Array.from({ length: random.below(9) }, () => random.below(256))),
  ]
  if (depth === 0 || random.chance(0.4)) return random.pick(leaves)()
  return Object.fromEntries(
    Array.from({ length: random.below(5) }, (_, i) => [`key ${i}`, value(random, depth - 1)]),
  )
}

/** The value as unpickle() spells it. */
function spelled(value: Picklable): unknown {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spelled(item)]))
}
