import { randomBytes } from 'node:crypto'
import { CompactEncrypt, EncryptJWT } from 'jose'
import t from 'tap'
import { createSeal } from '../../common/seal.ts'
import { createSigner, generateSigningKey } from '../../common/tokens.ts'

const key = randomBytes(32)
const seal = createSeal(key, 'box')

t.test('what was sealed is read again by whoever has the key, and shows nothing', async (t) => {
  const text = await seal.close({ token: 'planted-secret', n: 1 }, 60)
  t.same(await createSeal(key, 'box').open(text), { token: 'planted-secret', n: 1 })
  t.match(text, /^[\w.-]+$/, 'it may stand in a cookie')
  for (const part of text.split('.')) t.notMatch(Buffer.from(part, 'base64url').toString(), 'planted')
  t.not(await seal.close({ n: 1 }, 60), await seal.close({ n: 1 }, 60))
})

t.test('anything else opens to nothing', async (t) => {
  const text = await seal.close({ n: 1 }, 60)
  const parts = text.split('.')
  const changed = parts.map((part, place) => {
    const bytes = Buffer.from(part, 'base64url')
    bytes[0]! ^= 1
    return parts.with(place, bytes.toString('base64url')).join('.')
  })
  t.same(parts[1], '', 'dir has no encrypted key')
  for (const hostile of [
    ...changed.filter((_, place) => place !== 1),
    '',
    'x',
    '....',
    `${text}.x`,
    text.slice(0, -1),
    await createSeal(key, 'other').close({ n: 1 }, 60),
    await createSeal(randomBytes(32), 'box').close({ n: 1 }, 60),
    await seal.close({ n: 1 }, -1),
  ]) {
    t.equal(await seal.open(hostile), undefined, hostile.slice(0, 60))
  }
})

t.test('texts of the same key in another form open to nothing', async (t) => {
  const head = { alg: 'dir', enc: 'A256GCM', typ: 'rexec-box+jwe' }
  const without = await new EncryptJWT({ n: 1 }).setProtectedHeader(head).encrypt(key)
  t.equal(await seal.open(without), undefined, 'without an end')
  const noJson = new CompactEncrypt(Buffer.from('[]')).setProtectedHeader(head)
  t.equal(await seal.open(await noJson.encrypt(key)), undefined, 'no object')
  const wrapped = await new EncryptJWT({ n: 1 })
    .setProtectedHeader({ ...head, alg: 'A256KW' })
    .setExpirationTime('1m')
    .encrypt(key)
  t.equal(await seal.open(wrapped), undefined, 'another algorithm')
})

t.test('keys for other purposes are as different as those of other signers', async (t) => {
  const jwk = await generateSigningKey()
  const hex = (key: Uint8Array) => Buffer.from(key).toString('hex')
  const [signer, same, other] = [
    await createSigner(jwk),
    await createSigner(jwk),
    await createSigner(await generateSigningKey()),
  ]
  t.equal(hex(signer.deriveKey('a')), hex(same.deriveKey('a')))
  t.equal(signer.deriveKey('a').length, 32)
  t.not(hex(signer.deriveKey('a')), hex(signer.deriveKey('b')))
  t.not(hex(signer.deriveKey('a')), hex(other.deriveKey('a')))
  t.not(hex(signer.deriveKey('a')), Buffer.from(jwk.d!, 'base64url').toString('hex'))
})
