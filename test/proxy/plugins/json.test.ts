import t from 'tap'
import { parseJson } from '../../../proxy/plugins/json.ts'

const parse = (text: string | Buffer) => parseJson(Buffer.from(text as string), 4)

t.test('reads JSON in UTF-8', async (t) => {
  t.same(parse('{"a": [1, "}{\\"a\\":", {"a": "ü"}], "b": {"a": null}}'), {
    a: [1, '}{"a":', { a: 'ü' }],
    b: { a: null },
  })
  t.same(parse('\uFEFF{}'), {}, 'a byte order mark is passed over')
  t.equal(parse('"text"'), 'text')
})

t.test('refuses what parsers read in different ways', async (t) => {
  const refused = {
    'a name twice': '{"name": "a", "name": "b"}',
    'a name twice, once escaped': '{"name": 1, "n\\u0061me": 2}',
    'a name twice, deep down': '{"a": [{"b": 1, "b": 1}]}',
    'a name twice, with space before the colon': '{"a" :1,"a"\n:2}',
    __proto__: '{"__proto__": {"replace": true}}',
    'an escaped __proto__': '{"\\u005f_proto__": 1}',
    'a list within lists within lists': '[[[[[]]]]]',
    'an object bomb': `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`,
    'not JSON': '{name: 1}',
    nothing: '',
    'two values': '{} {}',
    'bytes that are not UTF-8': Buffer.from([0x22, 0xff, 0x22]),
  }
  for (const [what, text] of Object.entries(refused)) {
    t.throws(() => parse(text), { code: 'body_invalid' }, what)
  }
})

t.test('says nothing of what was sent', async (t) => {
  t.throws(() => parse('{"s3cret": 1, "s3cret": 1}'), { message: /^((?!s3cret).)*$/ })
  t.throws(() => parse('{"s3cret'), { message: /^((?!s3cret).)*$/ })
})
