import { RexecError } from '../../common/errors.ts'
import type { User } from '../pipeline.ts'

/** What a request shows to prove who sent it. */
export interface Proof {
  token: string
  cookie?: string | undefined
}

/** One way to prove a token; each has a file of its own and a line in the table of identities.ts. */
export interface Authenticator {
  readonly name: string
  /**
   * The token's user, or undefined when this authenticator does not know the token.
   * @throws identity_unavailable when it cannot tell; scope_missing, token_wrong_kind or not_allowed when it knows and
   * refuses it, which is final
   */
  authenticate(proof: Proof): Promise<User | undefined>
  /** Whether it could tell. @throws identity_unavailable */
  check(): Promise<void>
  /**
   * Whether there is a user of this name, without a token. Left out where nobody can be asked. It is asked for each
   * namespace every reconcileSeconds, so it answers from memory unless told to be `fresh`.
   * @throws identity_unavailable when it cannot tell now
   */
  knows?(name: string, options?: { fresh?: boolean }): Promise<boolean>
}

const MAX_NAME = 255
/** Control, format (bidi, zero-width), lone surrogate, line and paragraph separator characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u

/** Whether a name may be a user's: it goes into logs, pages and labels, and must be one that people can tell apart. */
export function isUserName(name: unknown): name is string {
  return typeof name === 'string' && name.trim() !== '' && name.length <= MAX_NAME && !UNPRINTABLE.test(name)
}

/** The cause goes to the log alone; it must not hold a token. */
export function unavailable(cause: string): RexecError {
  return new RexecError('identity_unavailable', undefined, { cause: new Error(cause) })
}
