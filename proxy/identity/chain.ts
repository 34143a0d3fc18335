import { type ErrorCode, RexecError } from '../../common/errors.ts'
import { type Logger, redact } from '../../common/logger.ts'
import type { Counter } from '../../common/metrics.ts'
import type { User } from '../pipeline.ts'
import type { Authenticator, Proof } from './authenticator.ts'

/** An authenticator that knows a token may refuse it so: its word is final, and no other one is asked. */
const VERDICTS: readonly ErrorCode[] = ['scope_missing', 'token_wrong_kind', 'not_allowed']

export function isVerdict(error: unknown): error is RexecError {
  return error instanceof RexecError && VERDICTS.includes(error.code)
}

/**
 * Asks the authenticators in their order; the first that proves the token, or knows and refuses it, decides. When none
 * does but one could not tell, nobody knows: that is identity_unavailable and never token_invalid, which would make a
 * client drop a good token.
 * @throws token_invalid, scope_missing, token_wrong_kind, not_allowed, identity_unavailable
 */
export async function askChain(
  authenticators: readonly Authenticator[],
  proof: Proof,
  { logger, checks }: { logger: Logger; checks: Counter<'authenticator' | 'outcome'> },
): Promise<User> {
  let failure: RexecError | undefined
  for (const authenticator of authenticators) {
    const count = (outcome: string) => checks.inc({ authenticator: authenticator.name, outcome })
    try {
      const user = await authenticator.authenticate(proof)
      count(user ? 'proven' : 'unknown')
      if (user) return user
    } catch (error) {
      if (isVerdict(error)) {
        count('refused')
        throw error
      }
      count('unavailable')
      failure = asUnavailable(error)
      const reason = failure.cause instanceof Error ? redact(failure.cause.message) : undefined
      logger.warn({ authenticator: authenticator.name, reason }, 'An authenticator could not check a token.')
    }
  }
  throw failure ?? new RexecError('token_invalid')
}

/** Whatever else goes wrong in an authenticator proves nothing either. */
export function asUnavailable(error: unknown): RexecError {
  if (error instanceof RexecError && error.code === 'identity_unavailable') return error
  return new RexecError('identity_unavailable', undefined, { cause: error })
}
