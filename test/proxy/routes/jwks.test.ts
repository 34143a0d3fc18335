import t from 'tap'
import { parsePublicKeys } from '../../../common/keys.ts'
import { createVerifier } from '../../../common/tokens.ts'
import { bodyOf, startApp } from '../../support/test-app.ts'

t.test('anybody may read the public keys, and keep them for a while', async (t) => {
  const { fetch, signer } = await startApp(t)
  const answer = await fetch('/.well-known/jwks.json', { token: null })
  t.equal(answer.status, 200)
  t.match(answer.headers.get('content-type'), /^application\/jwk-set\+json/)
  t.equal(answer.headers.get('cache-control'), 'public, max-age=300')
  const keys = await bodyOf<{ keys: object[] }>(answer)
  t.strictSame(keys, signer.publicKeys)
  const { token } = await signer.sign('exec', { user: 'alice' }, 60)
  t.match(await createVerifier(parsePublicKeys(keys))('exec', token), { user: 'alice' })
})

t.test('nothing private is in it', async (t) => {
  const { fetch } = await startApp(t)
  const text = await (await fetch('/.well-known/jwks.json')).text()
  t.strictSame(Object.keys(JSON.parse(text).keys[0]).sort(), ['alg', 'crv', 'kid', 'kty', 'use', 'x'])
})
