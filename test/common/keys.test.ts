import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import t from 'tap'
import { parsePublicKeys, parseSigningKeys } from '../../common/keys.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../common/tokens.ts'

/** As Helm's genPrivateKey "ed25519" and openssl genpkey write it. */
function pem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

t.test('a PEM key signs under its thumbprint', async (t) => {
  const { current, others } = await parseSigningKeys(`${pem()}\n`)
  t.match(current, { kty: 'OKP', crv: 'Ed25519', d: String, alg: 'EdDSA', use: 'sig' })
  t.equal(current.kid, await calculateJwkThumbprint(current))
  t.same(others, [])
  const signer = await createSigner(current)
  const { token } = await signer.sign('exec', { user: 'alice' }, 60)
  const published = parsePublicKeys(JSON.parse(JSON.stringify(signer.publicKeys)))
  t.match(await createVerifier(published)('exec', token), { user: 'alice' })
})

t.test('a JWK keeps its kid; without one it gets its thumbprint', async (t) => {
  const key = await generateSigningKey()
  t.equal((await parseSigningKeys(JSON.stringify(key))).current.kid, key.kid)
  const { kid: _kid, ...nameless } = key
  t.equal(
    (await parseSigningKeys(JSON.stringify(nameless))).current.kid,
    await calculateJwkThumbprint(nameless),
  )
})

t.test(
  'further keys verify, whether they are private or public, and are published without their secret',
  async (t) => {
    const [old, next] = [await generateSigningKey(), await generateSigningKey()]
    const { d: _private, ...publicOld } = old
    const publicPem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })
    for (const text of [
      JSON.stringify({ keys: [next, old] }),
      JSON.stringify({ keys: [next, publicOld] }),
      pem() + pem(),
      `${pem()}\n${publicPem}`,
    ]) {
      const { current, others } = await parseSigningKeys(text)
      t.equal(others.length, 1)
      t.notOk('d' in others[0]!)
      const { publicKeys } = await createSigner(current, others)
      t.notMatch(JSON.stringify(publicKeys), '"d"')
      t.equal(parsePublicKeys(publicKeys).keys.length, 2)
    }
    const before = await (await createSigner(old)).sign('server', { user: 'alice', server: 'default' }, 60)
    const { current, others } = await parseSigningKeys(JSON.stringify({ keys: [next, publicOld] }))
    const { publicKeys } = await createSigner(current, others)
    t.match(await createVerifier(publicKeys)('server', before.token), { user: 'alice' })
  },
)

t.test('a public part that belongs to another key is not published', async (t) => {
  const [key, other] = [await generateSigningKey(), await generateSigningKey()]
  const { current } = await parseSigningKeys(JSON.stringify({ ...key, x: other.x }))
  t.equal(current.x, key.x)
})

t.test('what cannot sign is refused without quoting it', async (t) => {
  const { d, ...publicKey } = await generateSigningKey()
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const x25519 = generateKeyPairSync('x25519').privateKey
  const twin = pem()
  for (const text of [
    '',
    's3cret',
    '{',
    '[]',
    'null',
    '{"keys":[]}',
    JSON.stringify(publicKey),
    JSON.stringify({ ...publicKey, d: 's3cret' }),
    JSON.stringify({ keys: [publicKey, { ...publicKey, d }] }),
    rsa.export({ type: 'pkcs8', format: 'pem' }) as string,
    x25519.export({ type: 'pkcs8', format: 'pem' }) as string,
    '-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----',
    twin + twin,
    Array.from({ length: 17 }, pem).join(''),
  ]) {
    const error: Error = await parseSigningKeys(text).then(
      () => t.fail(text),
      (error) => error,
    )
    t.ok(error instanceof TypeError, error.message)
    t.notMatch(error.message, 's3cret')
  }
})

t.test('of what calls itself a key set only public Ed25519 keys are taken', async (t) => {
  const { publicKeys } = await createSigner(await generateSigningKey())
  const [key] = publicKeys.keys
  t.strictSame(parsePublicKeys({ keys: [{ ...key, more: 'left out' }], more: 1 }), publicKeys)
  for (const wrong of [
    undefined,
    null,
    [],
    {},
    { keys: [] },
    { keys: key },
    { keys: [{ ...key, d: 'a private part' }] },
    { keys: [{ ...key, kty: 'oct', k: 'AAAA' }] },
    { keys: [{ ...key, crv: 'X25519' }] },
    { keys: [{ ...key, alg: 'HS256' }] },
    { keys: [{ ...key, use: 'enc' }] },
    { keys: [{ ...key, x: `${key!.x}A` }] },
    { keys: [{ ...key, kid: '' }] },
    { keys: [{ ...key, kid: 'x'.repeat(257) }] },
    { keys: [key, key] },
    { keys: Array.from({ length: 17 }, (_, index) => ({ ...key, kid: `${index}` })) },
  ])
    t.throws(() => parsePublicKeys(wrong), TypeError, JSON.stringify(wrong)?.slice(0, 80))
})
