/**
 * The first 64 bytes of each side (RFC 37): signature, version, mechanism, as-server, filler.
 */
export const GREETING_BYTES = 64
const MAJOR = 3
const MINOR = 1

/** Our greeting: version 3.1, the listener's mechanism, as server when the mechanism tells the sides apart. */
export function encodeGreeting(mechanism: string): Buffer {
  const greeting = Buffer.alloc(GREETING_BYTES)
  greeting[0] = 0xff
  greeting[9] = 0x7f
  greeting[10] = MAJOR
  greeting[11] = MINOR
  greeting.write(mechanism, 12, 'latin1')
  if (mechanism !== 'NULL') greeting[32] = 1
  return greeting
}

/**
 * Whether the first bytes of a peer can still become a greeting of version 3 or later (P1); needs no more than have
 * come, so that a peer of an older version, which sends fewer than 64 bytes, is not waited for.
 */
export function maybeGreeting(bytes: Buffer): boolean {
  return (
    (bytes.length < 1 || bytes[0] === 0xff) &&
    (bytes.length < 10 || (bytes[9]! & 1) === 1) &&
    (bytes.length < 11 || bytes[10]! >= MAJOR)
  )
}

export interface Greeting {
  /** 3.1 and later have PING. */
  hasPing: boolean
  mechanism: string
}

/** Reads the 64 bytes of a greeting that maybeGreeting has let pass. */
export function parseGreeting(bytes: Buffer): Greeting {
  const mechanism = bytes.toString('latin1', 12, 32)
  const end = mechanism.indexOf('\0')
  return {
    hasPing: bytes[10]! > MAJOR || bytes[11]! >= MINOR,
    mechanism: end < 0 ? mechanism : mechanism.slice(0, end),
  }
}
