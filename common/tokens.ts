import { hkdfSync, randomUUID } from 'node:crypto'
import {
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { RexecError } from './errors.ts'
import type { PublicKeys } from './keys.ts'

/**
 * Exec tokens (a client shows one to the broker) and server credentials (an agent shows one) are EdDSA JWTs
 * (RFC 7519, RFC 8037) of the proxy. They differ in audience and `typ`, so that neither passes for the other;
 * the broker verifies both with the public key alone.
 */
const ISSUER = 'rexec'
const KINDS = {
  exec: { audience: 'rexec-broker-clients', typ: 'rexec-exec+jwt' },
  server: { audience: 'rexec-broker-servers', typ: 'rexec-server+jwt' },
} as const
/** Three parts in base64url without padding (RFC 7515, section 2); decoders pass over more. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Clocks of proxy and broker may differ by this many seconds. */
const CLOCK_TOLERANCE = 5

export type TokenKind = keyof typeof KINDS

/** What a token proves. `server` is the server's name among the user's; an exec token without it is for all of them. */
export interface Claims {
  user: string
  server: string | undefined
  /** Seconds since the epoch. */
  expiresAt: number
  /** The token's own id, for logs: it gives nothing away. */
  id: string
}

export interface Signer {
  /** Makes a token that is valid for `lifetime` seconds from now; `id` is its own, for logs. */
  sign(
    kind: TokenKind,
    claims: { user: string; server?: string },
    lifetime: number,
  ): Promise<{ token: string; expiresAt: number; id: string }>
  publicKeys: PublicKeys
  /** A secret of 32 bytes for another purpose, the same in each proxy that has this signing key (RFC 5869). */
  deriveKey(purpose: string): Uint8Array
}

/** A new private signing key as a JWK, to be kept in a secret. */
export async function generateSigningKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'EdDSA', use: 'sig' }
}

/**
 * Signs with the private key; the `others` are published beside it, for what they have signed or will sign.
 * @throws TypeError when the key is not a private Ed25519 JWK.
 */
export async function createSigner(privateKey: JWK, others: JWK[] = []): Promise<Signer> {
  if (privateKey.kty !== 'OKP' || privateKey.crv !== 'Ed25519' || !privateKey.d || !privateKey.kid) {
    throw new TypeError('The signing key must be a private Ed25519 JWK with a kid.')
  }
  const key = await importJWK(privateKey, 'EdDSA')
  return {
    publicKeys: { keys: [privateKey, ...others].map(({ d: _private, ...publicKey }) => publicKey) },
    async sign(kind, { user, server }, lifetime) {
      const { audience, typ } = KINDS[kind]
      const now = Math.floor(Date.now() / 1000)
      const expiresAt = now + lifetime
      const id = randomUUID()
      const token = await new SignJWT(server === undefined ? {} : { server })
        .setProtectedHeader({ alg: 'EdDSA', typ, kid: privateKey.kid! })
        .setIssuer(ISSUER)
        .setAudience(audience)
        .setSubject(user)
        .setJti(id)
        .setIssuedAt(now)
        .setExpirationTime(expiresAt)
        .sign(key)
      return { token, expiresAt, id }
    },
    deriveKey: (purpose) =>
      new Uint8Array(hkdfSync('sha256', Buffer.from(privateKey.d!, 'base64url'), '', `rexec ${purpose}`, 32)),
  }
}

export type Verifier = (kind: TokenKind, token: string) => Promise<Claims>

/** Whether a token has the form of a JWT of ours; says nothing about its validity. */
export function looksLikeOurs(token: string): boolean {
  return headOf(token) !== undefined
}

/** Which key a token of ours says it was signed with; undefined for all else. */
export function kidOf(token: string): string | undefined {
  const kid = headOf(token)?.kid
  return isText(kid) ? kid : undefined
}

function headOf(token: string): { kid?: unknown } | undefined {
  const [head, , , more] = token.split('.', 4)
  if (!head || more !== undefined) return undefined
  try {
    const { typ, kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
    return Object.values(KINDS).some((kind) => kind.typ === typ) ? { kid } : undefined
  } catch {
    return undefined
  }
}

/**
 * A function that proves tokens with the public keys.
 * It rejects with RexecError: token_wrong_kind for the other kind of token, token_invalid for everything else
 * (expired, tampered, foreign key, missing claims).
 */
export function createVerifier(publicKeys: PublicKeys): Verifier {
  const keys = createLocalJWKSet(publicKeys)
  return async (kind, token) => {
    const { audience, typ } = KINDS[kind]
    if (!COMPACT.test(token)) throw new RexecError('token_invalid')
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms: ['EdDSA'],
        issuer: ISSUER,
        audience,
        typ,
        clockTolerance: CLOCK_TOLERANCE,
        requiredClaims: ['sub', 'exp', 'jti'],
      })
      const { sub, exp, jti, server } = payload
      const serverIsValid = isText(server) || (server === undefined && kind === 'exec')
      if (!isText(sub) || !isText(jti) || !exp || !serverIsValid)
        throw new RexecError('token_invalid', 'The token lacks a claim.')
      return { user: sub, server: server as string | undefined, expiresAt: exp, id: jti }
    } catch (error) {
      if (error instanceof RexecError) throw error
      if (error instanceof errors.JWTExpired) throw new RexecError('token_invalid', 'The token has expired.')
      if (
        error instanceof errors.JWTClaimValidationFailed &&
        (error.claim === 'aud' || error.claim === 'typ')
      ) {
        throw new RexecError('token_wrong_kind')
      }
      throw new RexecError('token_invalid', undefined, { cause: error })
    }
  }
}

function isText(claim: unknown): claim is string {
  return typeof claim === 'string' && claim !== ''
}
