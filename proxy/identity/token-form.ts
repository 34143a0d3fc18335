import { RexecError } from '../../common/errors.ts'
import { looksLikeOurs } from '../../common/tokens.ts'
import type { Proof } from './authenticator.ts'

/** Visible ASCII: what may stand in a header (RFC 9110, section 5.5) without being read as anything else. */
const TOKEN = /^[!-~]+$/
const COOKIE = /^[ -~]*$/

/**
 * Refuses what cannot be a user's token before anything is sent anywhere.
 * @throws token_missing, token_invalid, token_wrong_kind (exec tokens and server credentials are for the broker)
 */
export function checkForm({ token, cookie = '' }: Proof, maxLength: number): void {
  if (!token) throw new RexecError('token_missing')
  if (token.length > maxLength || !TOKEN.test(token)) {
    throw new RexecError('token_invalid', 'This does not have the form of a token.')
  }
  if (cookie.length > maxLength || !COOKIE.test(cookie)) {
    throw new RexecError('token_invalid', 'The cookie does not have the form of one.')
  }
  if (looksLikeOurs(token)) throw new RexecError('token_wrong_kind')
}
