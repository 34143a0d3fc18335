import got, { HTTPError } from 'got'
import { Value } from 'typebox/value'
import { type ErrorCode, RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { TokenReview } from '../common/token-review.ts'
import type { Identify } from './prover.ts'

export interface IdentifyOptions {
  /** The proxy's address with its prefix. */
  url: string
  /** The broker credential. */
  credential: string
  /** Milliseconds for one question. */
  timeout: number
  logger: Logger
}

/** What the proxy may say of a token; all else is the proxy's or this broker's own trouble. */
const VERDICTS = new Set<unknown>(['token_invalid', 'token_wrong_kind', 'not_allowed'])

/** A function that asks the proxy's POST /api/v1/token-reviews. Rejects with RexecError. */
export function createIdentify({ url, credential, timeout, logger }: IdentifyOptions): Identify {
  const client = got.extend({
    headers: { authorization: `Bearer ${credential}`, 'user-agent': 'rexec-broker' },
    timeout: { request: timeout },
    retry: { limit: 0 },
    followRedirect: false,
  })
  const address = `${url.replace(/\/+$/, '')}/api/v1/token-reviews`
  return async (token) => {
    try {
      const review: unknown = await client.post(address, { json: { token } }).json()
      if (Value.Check(TokenReview, review)) return review
      logger.error({ url }, 'the proxy answered a token review in an unknown form')
    } catch (error) {
      const verdict = error instanceof HTTPError ? verdictOf(error.response.body) : undefined
      if (verdict) throw new RexecError(verdict)
      // The message names the address or status; the token is in the body, which is not part of it.
      logger.warn({ url, reason: (error as Error).message }, 'the proxy did not answer a token review')
    }
    throw new RexecError('identity_unavailable')
  }
}

function verdictOf(body: unknown): ErrorCode | undefined {
  try {
    const { code } = JSON.parse(String(body))
    return VERDICTS.has(code) ? code : undefined
  } catch {
    return undefined
  }
}
