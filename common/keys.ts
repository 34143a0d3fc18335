import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { Type } from 'typebox'
import { Value } from 'typebox/value'

/** A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037). */
export interface PublicKeys {
  keys: JWK[]
}

/** What the proxy signs with, and what it lets pass beside that while keys are changed. */
export interface SigningKeys {
  current: JWK
  others: JWK[]
}

/** More keys than anybody needs to change them. */
const MAX_KEYS = 16
const PEM = /-----BEGIN [A-Z ]+-----[^-]+-----END [A-Z ]+-----/g

const PublicKeySet = Type.Object({
  keys: Type.Array(
    Type.Object({
      kty: Type.Literal('OKP'),
      crv: Type.Literal('Ed25519'),
      x: Type.String({ pattern: '^[\\w-]{43}$' }),
      kid: Type.String({ minLength: 1, maxLength: 256 }),
      alg: Type.Optional(Type.Literal('EdDSA')),
      use: Type.Optional(Type.Literal('sig')),
      // No reader of this set may ever come to know one.
      d: Type.Optional(Type.Never()),
    }),
    { minItems: 1, maxItems: MAX_KEYS },
  ),
})

/**
 * Reads Ed25519 keys: one or more PEM blocks (PKCS#8), a JWK, or a JWK set. The first one is private and signs; of the
 * others the public part is used, so that what they have signed goes on being valid. A key without a kid gets its
 * thumbprint (RFC 7638).
 * @throws TypeError that quotes nothing of the text
 */
export async function parseSigningKeys(text: string): Promise<SigningKeys> {
  const keys = await readKeys(text).catch(() => {
    throw new TypeError('must hold a private Ed25519 key, as PEM (PKCS#8) or JWK; more keys may follow it')
  })
  const [current, ...others] = keys
  if (keys.length > MAX_KEYS) throw new TypeError(`holds more than ${MAX_KEYS} keys`)
  if (haveTwins(keys)) throw new TypeError('holds two keys of the same kid')
  return { current: current!, others }
}

/** @throws TypeError unless it is a set of public Ed25519 keys, each with a kid of its own */
export function parsePublicKeys(value: unknown): PublicKeys {
  if (!Value.Check(PublicKeySet, value)) throw new TypeError('This is no set of public Ed25519 keys.')
  const keys = value.keys.map(({ kty, crv, x, kid }) => ({ kty, crv, x, kid, alg: 'EdDSA', use: 'sig' }))
  if (haveTwins(keys)) throw new TypeError('Two keys have the same kid.')
  return { keys }
}

/** What node:crypto makes a key of, and the kid that it brings. */
type Source = { key: string | { key: JWK; format: 'jwk' }; kid?: string | undefined }

async function readKeys(text: string): Promise<JWK[]> {
  const [first, ...rest] = text.trimStart().startsWith('-----BEGIN') ? pemKeys(text) : jsonKeys(text)
  return Promise.all([
    jwkOf(createPrivateKey(first!.key), first!.kid),
    ...rest.map(({ key, kid }) => jwkOf(createPublicKey(key), kid)),
  ])
}

function haveTwins(keys: JWK[]): boolean {
  return new Set(keys.map(({ kid }) => kid)).size < keys.length
}

function pemKeys(text: string): Source[] {
  return [...text.matchAll(PEM)].map(([key]) => ({ key }))
}

function jsonKeys(text: string): Source[] {
  const value = JSON.parse(text) as JWK | PublicKeys
  const keys = 'keys' in value ? (value.keys as JWK[]) : [value as JWK]
  return keys.map((key) => ({ key: { key, format: 'jwk' as const }, kid: key.kid }))
}

/** From the key itself: a JWK's own "x" may be another's. */
async function jwkOf(key: KeyObject, kid: string | undefined): Promise<JWK> {
  if (key.asymmetricKeyType !== 'ed25519') throw new TypeError('not Ed25519')
  const jwk = key.export({ format: 'jwk' }) as JWK
  return { ...jwk, kid: kid ?? (await calculateJwkThumbprint(jwk)), alg: 'EdDSA', use: 'sig' }
}
