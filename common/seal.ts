import { EncryptJWT, errors, jwtDecrypt } from 'jose'

/**
 * Keeps values with somebody who must neither read nor change them, such as a browser: a JWE (RFC 7516, "dir" with
 * A256GCM) that opens only with the same key, for the same purpose, before its time is over.
 */
export interface Seal<T extends Record<string, unknown>> {
  /** The values as a text of URL-safe characters. */
  close(values: T, seconds: number): Promise<string>
  /** Undefined for whatever was not sealed here for this purpose, or is too old. */
  open(text: string): Promise<T | undefined>
}

/** `key` has 32 bytes (Signer.deriveKey); `purpose` is written into the text, and wanted there. */
export function createSeal<T extends Record<string, unknown>>(key: Uint8Array, purpose: string): Seal<T> {
  const typ = `rexec-${purpose}+jwe`
  return {
    close: (values, seconds) =>
      new EncryptJWT(values)
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ })
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .encrypt(key),

    async open(text) {
      try {
        const { payload } = await jwtDecrypt<T>(text, key, {
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
          typ,
          requiredClaims: ['exp'],
        })
        const { exp: _, ...values } = payload
        return values as unknown as T
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined
        throw error
      }
    },
  }
}
