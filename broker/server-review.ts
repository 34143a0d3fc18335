import { Value } from 'typebox/value'
import type { Logger } from '../common/logger.ts'
import { ServerReview } from '../common/server-review.ts'
import type { ProxyClient } from './proxy-client.ts'

/**
 * Asks the proxy why the server with this credential is lost; for that it may wait so many seconds. Undefined when the
 * proxy does not answer, or knows no such server (any more). Never rejects.
 */
export type ReviewServer = (credential: string, waitSeconds: number) => Promise<ServerReview | undefined>

/** A function that asks the proxy's POST /api/v1/server-reviews. */
export function createReviewServer(proxy: ProxyClient, logger: Logger): ReviewServer {
  return async (credential, waitSeconds) => {
    try {
      const { status, body } = await proxy.post('/api/v1/server-reviews', { credential, waitSeconds })
      if (status === 200 && Value.Check(ServerReview, body)) return body
      if (status !== 404)
        logger.warn({ url: proxy.url, status }, 'the proxy did not say why a server is lost')
    } catch (error) {
      const { message: reason } = error as Error
      logger.warn({ url: proxy.url, reason }, 'the proxy did not say why a server is lost')
    }
    return undefined
  }
}
