import { mock } from 'node:test'
import { importJWK, type JWK, SignJWT } from 'jose'
import t from 'tap'
import { createSigner, createVerifier, generateSigningKey, looksLikeOurs } from '../../common/tokens.ts'

const key = await generateSigningKey()
const signer = await createSigner(key)
const verify = createVerifier(signer.publicKeys)
const alice = { user: 'alice', server: 'default' }
const now = () => Math.floor(Date.now() / 1000)

/** A token of the right key with whatever claims and header a test wants. */
async function forge(claims: object, header: object = {}, by: JWK = key): Promise<string> {
  const good = {
    iss: 'rexec',
    aud: 'rexec-broker-clients',
    sub: 'alice',
    jti: '1',
    iat: now(),
    exp: now() + 60,
  }
  return new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'rexec-exec+jwt', kid: key.kid!, ...header })
    .sign(await importJWK(by, 'EdDSA'))
}

t.test('a token proves what was signed', async (t) => {
  for (const kind of ['exec', 'server'] as const) {
    const before = now()
    const { token, expiresAt } = await signer.sign(kind, alice, 60)
    t.ok(expiresAt >= before + 60 && expiresAt <= now() + 60)
    t.match(await verify(kind, token), { ...alice, expiresAt, id: /^[0-9a-f-]{36}$/ })
  }
  const { token } = await signer.sign('exec', { user: 'Zoë \u{1F600}' }, 60)
  t.match(await verify('exec', token), { user: 'Zoë \u{1F600}', server: undefined })
})

t.test('two tokens are never the same', async (t) => {
  const [one, two] = [await signer.sign('exec', alice, 60), await signer.sign('exec', alice, 60)]
  t.not(one.token, two.token)
})

t.test('one kind of token does not pass for the other', async (t) => {
  const exec = await signer.sign('exec', alice, 60)
  const server = await signer.sign('server', alice, 60)
  await t.rejects(verify('server', exec.token), { code: 'token_wrong_kind' })
  await t.rejects(verify('exec', server.token), { code: 'token_wrong_kind' })
  await t.rejects(verify('exec', await forge({ aud: 'rexec-broker-servers' })), { code: 'token_wrong_kind' })
  await t.rejects(verify('exec', await forge({}, { typ: 'rexec-server+jwt' })), { code: 'token_wrong_kind' })
  await t.rejects(verify('exec', await forge({}, { typ: 'JWT' })), { code: 'token_wrong_kind' })
})

t.test('a token ends when it says, give or take the clocks', async (t) => {
  const { token } = await signer.sign('exec', alice, -60)
  await t.rejects(verify('exec', token), { code: 'token_invalid', detail: 'The token has expired.' })
  const exp = now() + 60
  const [within, beyond] = [exp + 2, exp + 7].map((seconds) => ({
    apis: ['Date' as const],
    now: seconds * 1000,
  }))
  const forged = await forge({ exp })
  t.teardown(() => mock.timers.reset())
  mock.timers.enable(within)
  t.ok(await verify('exec', forged), 'within the tolerance')
  mock.timers.reset()
  mock.timers.enable(beyond)
  await t.rejects(verify('exec', forged), { code: 'token_invalid' })
  mock.timers.reset()
  await t.rejects(
    verify('exec', await forge({ nbf: now() + 60 })),
    { code: 'token_invalid' },
    'not valid yet',
  )
})

t.test('a token of another key, or a tampered one, proves nothing', async (t) => {
  const stranger = { ...(await generateSigningKey()), kid: key.kid! }
  await t.rejects(verify('exec', await forge({}, {}, stranger)), { code: 'token_invalid' })
  await t.rejects(verify('exec', await forge({}, { kid: 'other' })), { code: 'token_invalid' })
  const [head, body, signature] = (await forge({})).split('.') as [string, string, string]
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const changed = encode({ ...claims, sub: 'bob' })
  const unsigned = encode({ alg: 'none', typ: 'rexec-exec+jwt', kid: key.kid })
  const symmetric = encode({ alg: 'HS256', typ: 'rexec-exec+jwt', kid: key.kid })
  for (const token of [
    `${head}.${changed}.${signature}`,
    `${head}.${body}.`,
    `${head}.${body}`,
    `${unsigned}.${body}.`,
    `${symmetric}.${body}.${signature}`,
    `${head}.${body}.${signature}.${signature}`,
    `${head}.${body}.${signature.slice(0, -2)}`,
    '',
    'a',
    '..',
    'eyJ.eyJ.x',
  ]) {
    await t.rejects(verify('exec', token), { code: 'token_invalid' }, token.slice(0, 40))
  }
})

t.test('a token lacks no claim', async (t) => {
  for (const lack of [
    { sub: undefined },
    { sub: '' },
    { sub: 5 },
    { exp: undefined },
    { exp: 'never' },
    { jti: undefined },
    { jti: '' },
    { iss: undefined },
    { iss: 'other' },
    { server: '' },
    { server: 5 },
    { server: null },
  ]) {
    await t.rejects(verify('exec', await forge(lack)), { code: 'token_invalid' }, JSON.stringify(lack))
  }
  const forServer = { aud: 'rexec-broker-servers' }
  const header = { typ: 'rexec-server+jwt' }
  t.ok(await verify('server', await forge({ ...forServer, server: 'a' }, header)))
  await t.rejects(
    verify('server', await forge(forServer, header)),
    { code: 'token_invalid' },
    'a credential names its server',
  )
})

t.test('no error repeats the token', async (t) => {
  const token = await forge({ sub: '' })
  const error = await verify('exec', token).catch((error: Error) => error)
  t.notMatch(String((error as Error).message), token)
})

t.test('keys: the private one signs, the public ones verify and hold nothing private', async (t) => {
  t.match(key, { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig', kid: String, d: String })
  t.strictSame(Object.keys(signer.publicKeys.keys[0]!).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
  const { d: _private, ...publicKey } = key
  const { kid: _kid, ...nameless } = key
  for (const wrong of [publicKey, nameless, { kty: 'oct', k: 'AAAA', kid: '1' }, {}]) {
    await t.rejects(createSigner(wrong as JWK), TypeError)
  }
})

t.test('old and new keys are believed side by side', async (t) => {
  const next = await createSigner(await generateSigningKey())
  const both = createVerifier({ keys: [...signer.publicKeys.keys, ...next.publicKeys.keys] })
  t.ok(await both('exec', (await signer.sign('exec', alice, 60)).token))
  t.ok(await both('exec', (await next.sign('exec', alice, 60)).token))
})

t.test('our tokens are told from others by their form', async (t) => {
  for (const kind of ['exec', 'server'] as const)
    t.ok(looksLikeOurs((await signer.sign(kind, alice, -60)).token))
  t.ok(looksLikeOurs(`${(await signer.sign('exec', alice, 60)).token}tampered`))
  const foreign = await forge({}, { typ: 'JWT' })
  const header = (value: unknown) => `${Buffer.from(JSON.stringify(value)).toString('base64url')}.e30.x`
  for (const token of [
    '',
    '.',
    '..',
    '...',
    'abc',
    'a.b.c',
    foreign,
    header(null),
    header(1),
    header([]),
    header({}),
  ]) {
    t.notOk(looksLikeOurs(token), token.slice(0, 40))
  }
})

t.test('one token has one writing: padding, spaces and further parts are refused', async (t) => {
  const { token } = await signer.sign('exec', alice, 60)
  for (const other of [`${token} `, ` ${token}`, `${token}\n`, `${token}==`, `${token}.`, `${token}.x`])
    await t.rejects(
      verify('exec', other),
      { code: 'token_invalid' },
      JSON.stringify(other.slice(token.length)),
    )
})
