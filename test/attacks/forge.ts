import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  sign,
} from 'node:crypto'
import type { Known } from './known.ts'

type Json = Record<string, unknown>

const now = () => Math.floor(Date.now() / 1000)
const encode = (part: Json | string) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')

/** What the service writes into an exec token of alice. A field that is undefined is left out. */
function head(known: Known, changes: Json): Json {
  return { alg: 'EdDSA', typ: 'rexec-exec+jwt', kid: known.key.kid, ...changes }
}
function claims(changes: Json): Json {
  const times = { iat: now(), exp: now() + 600 }
  return { iss: 'rexec', aud: 'rexec-broker-clients', sub: 'alice', jti: 'forged', ...times, ...changes }
}

/** A token with the service's own key, right but for the changes: only who holds the key could make it. */
export function signed(
  known: Known,
  changes: { head?: Json; claims?: Json } = {},
  key: JsonWebKey = known.key,
) {
  const text = `${encode(head(known, changes.head ?? {}))}.${encode(claims(changes.claims ?? {}))}`
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  return `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`
}

/** The same without a signature, or with one by a secret that everybody knows. */
export function unsigned(known: Known, alg: string, signature = ''): string {
  return `${encode(head(known, { alg }))}.${encode(claims({}))}.${signature}`
}

export function signedWithPublicKey(known: Known, form: 'pem' | 'der' | 'jwk' | 'x'): string {
  const publicKey = createPublicKey({ key: publicPart(known), format: 'jwk' })
  const secrets = {
    pem: () => publicKey.export({ type: 'spki', format: 'pem' }),
    der: () => publicKey.export({ type: 'spki', format: 'der' }),
    jwk: () => JSON.stringify(publicPart(known)),
    x: () => Buffer.from(known.key.x!, 'base64url'),
  }
  const text = `${encode(head(known, { alg: 'HS256' }))}.${encode(claims({}))}`
  return `${text}.${createHmac('sha256', secrets[form]()).update(text).digest('base64url')}`
}

/** With a key pair of the attacker's, by another algorithm. */
export function signedByRsa(known: Known): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const text = `${encode(head(known, { alg: 'RS256' }))}.${encode(claims({}))}`
  return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`
}

/** The head and signature of one token with the claims of another. */
export function spliced(known: Known): string {
  const [first, , signature] = known.exec.mallory.split('.')
  return `${first}.${encode(claims({}))}.${signature}`
}

export function publicPart({ key }: Known): JsonWebKey {
  const { d: _private, ...rest } = key
  return rest
}
