import t from 'tap'
import { Type } from 'typebox'
import { checkSettings, loadSettings, SettingsError } from '../../common/settings.ts'

const Section = Type.Object(
  { on: Type.Boolean({ default: true }), names: Type.Array(Type.String({ minLength: 2 }), { default: [] }) },
  { additionalProperties: false, default: {} },
)
const Settings = Type.Object(
  {
    port: Type.Integer({ minimum: 0, maximum: 65535, default: 8000 }),
    url: Type.String(),
    mode: Type.Union([Type.Literal('a'), Type.Literal('b')], { default: 'a' }),
    size: Type.Union([Type.Number(), Type.String({ pattern: '^[0-9]+Mi$' })], { default: 1 }),
    versions: Type.Record(Type.String({ pattern: '^3\\.' }), Type.String(), {
      default: {},
      additionalProperties: false,
    }),
    section: Section,
  },
  { additionalProperties: false },
)

/** The problems that a check names. */
function problems(check: () => unknown): string[] {
  try {
    check()
    return []
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.replace('  - ', ''))
  }
}

t.test('what is left out gets its default, in every depth', async (t) => {
  const full = { port: 8000, url: 'x', mode: 'a', size: 1, versions: {}, section: { on: true, names: [] } }
  t.strictSame(loadSettings(Settings, 'url: x'), full)
  t.strictSame(loadSettings(Settings, '{"url": "x", "section": {"on": false}}').section, {
    on: false,
    names: [],
  })
  t.strictSame(checkSettings(Section, {}), { on: true, names: [] }, 'a section may be checked by itself')
})

t.test('two loads share nothing', async (t) => {
  const one = loadSettings(Settings, 'url: x')
  one.section.names.push('changed')
  t.strictSame(loadSettings(Settings, 'url: x').section.names, [])
})

t.test('settings given as an object stay as they are', async (t) => {
  const input = Object.freeze({ url: 'x', section: Object.freeze({}) })
  t.equal(checkSettings(Settings, input).section.on, true)
  t.strictSame(input, { url: 'x', section: {} })
})

t.test('all problems are named at once', async (t) => {
  t.same(
    problems(() =>
      loadSettings(
        Settings,
        'port: 70000\nmode: c\nsize: 5Gi\nextra: 1\nversions: {"2/7~": x}\nsection: {no: 1, names: [x]}',
      ),
    ),
    [
      'url: required',
      'extra: no such setting',
      'port: must be <= 65535',
      'mode: must be "a" or must be "b"',
      'size: must be number or must match pattern "^[0-9]+Mi$"',
      'versions.2/7~: no such setting',
      'section.no: no such setting',
      'section.names.0: must NOT have fewer than 2 characters',
    ],
  )
})

t.test('nothing is converted', async (t) => {
  t.same(
    problems(() => loadSettings(Settings, 'url: 5\nport: "8000"\nsection: {on: "yes"}')),
    ['port: must be integer', 'url: must be string', 'section.on: must be boolean'],
  )
})

t.test('overrides reach into sections, and are checked as well', async (t) => {
  const settings = loadSettings(Settings, 'url: x', { url: 'y', 'section.on': false })
  t.match(settings, { url: 'y', section: { on: false } })
  t.same(
    problems(() => loadSettings(Settings, 'url: x', { 'section.nothing': 1 })),
    ['section.nothing: no such setting'],
  )
})

t.test('what is no settings file says so, without its content', async (t) => {
  for (const text of [
    '[1]',
    'just a text',
    '5',
    'null: [',
    'a: b: c',
    '\t- x',
    'url: x\nurl: y',
    '{"url": "x"',
    'a: *hunter2',
  ]) {
    const said = problems(() => loadSettings(Settings, text))
    t.ok(said.length > 0, text)
  }
  t.same(
    problems(() => loadSettings(Settings, '')),
    ['url: required'],
    'an empty file holds no settings',
  )
})

t.test('a wrong value is not repeated, it may be a secret', async (t) => {
  const said = problems(() =>
    loadSettings(Settings, 'url: [hunter2]\nmode: hunter2\nsize: hunter2\nport: hunter2'),
  )
  t.equal(said.length, 4)
  t.notMatch(said.join(), /hunter2/)
})

t.test('fallbacks count where neither the text nor an override says anything', async (t) => {
  const load = (text: string, overrides: object = {}) =>
    loadSettings(Settings, text, { ...overrides }, { url: 'fallback', port: 1, 'section.on': false })
  t.match(load(''), { url: 'fallback', port: 1, mode: 'a', section: { on: false, names: [] } })
  t.match(load('{"url": "file", "section": {"names": ["ab"]}}', { port: 2 }), {
    url: 'file',
    port: 2,
    section: { on: false, names: ['ab'] },
  })
  t.match(load('section: { on: true }'), { section: { on: true } })
  t.match(load('section:'), { section: { on: false } }, 'a section that is named and empty')
  t.same(
    problems(() => load('section: 5', { 'section.names': [] })),
    ['section: must be object'],
  )
})
