import t from 'tap'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { checkForm } from '../../../proxy/identity/token-form.ts'

const LIMIT = 100

t.test('ordinary tokens and cookies pass', async (t) => {
  for (const token of [
    '0123456789abcdef',
    'a.b-c_d~e+f/g==',
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.sig',
    'x'.repeat(LIMIT),
  ]) {
    t.doesNotThrow(() => checkForm({ token }, LIMIT))
  }
  t.doesNotThrow(() => checkForm({ token: 'token', cookie: 'a=b; c="d e"' }, LIMIT))
})

t.test('a missing token says so', async (t) => {
  t.throws(() => checkForm({ token: '' }, LIMIT), { code: 'token_missing' })
})

t.test('what would be read as something else in a header is refused', async (t) => {
  const hostile = [
    'a b',
    'a\r\nx-evil: 1',
    'a\n',
    'a\0',
    'a\t',
    '\u001b[2J',
    'é',
    '\u{1F600}',
    'a\u2028b',
    '\ud800',
    ' ',
    'x'.repeat(LIMIT + 1),
    'x'.repeat(1_000_000),
  ]
  for (const token of hostile) {
    t.throws(
      () => checkForm({ token }, LIMIT),
      { code: 'token_invalid' },
      encodeURI(token.toWellFormed()).slice(0, 30),
    )
  }
  for (const cookie of ['a\r\nb', 'é', 'x'.repeat(LIMIT + 1)]) {
    t.throws(() => checkForm({ token: 'token', cookie }, LIMIT), { code: 'token_invalid' })
  }
})

t.test('tokens of our own are for the broker, also expired and tampered ones', async (t) => {
  const signer = await createSigner(await generateSigningKey())
  for (const kind of ['exec', 'server'] as const) {
    for (const lifetime of [60, -60]) {
      const { token } = await signer.sign(kind, { user: 'alice', server: 'a' }, lifetime)
      t.throws(() => checkForm({ token }, 8192), { code: 'token_wrong_kind' })
      t.throws(() => checkForm({ token: `${token}x` }, 8192), { code: 'token_wrong_kind' })
    }
  }
})
