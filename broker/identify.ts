import { Value } from 'typebox/value'
import { type ErrorCode, RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { TokenReview } from '../common/token-review.ts'
import type { Identify } from './prover.ts'
import { codeOf, type ProxyClient } from './proxy-client.ts'

/** What the proxy may say of a token or its user; all else is the proxy's or this broker's own trouble. */
const VERDICTS = new Set<unknown>([
  'token_invalid',
  'token_wrong_kind',
  'scope_missing',
  'not_allowed',
  'namespace_missing',
])

/** A function that asks the proxy's POST /api/v1/token-reviews. Rejects with RexecError. */
export function createIdentify(proxy: ProxyClient, logger: Logger): Identify {
  return async (token) => {
    try {
      const answer = await proxy.post('/api/v1/token-reviews', { token })
      const { status, body } = answer
      if (status === 200 && Value.Check(TokenReview, body)) return body
      const code = codeOf(answer)
      if (status < 500 && VERDICTS.has(code)) throw new RexecError(code as ErrorCode)
      logger.warn(
        { url: proxy.url, status, ...(code === 'broker_only' && { code }) },
        'the proxy did not review a token',
      )
    } catch (error) {
      if (error instanceof RexecError) throw error
      logger.warn(
        { url: proxy.url, reason: (error as Error).message },
        'the proxy did not answer a token review',
      )
    }
    throw new RexecError('identity_unavailable')
  }
}
