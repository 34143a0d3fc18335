import { RexecError } from '../../../../common/errors.ts'
import { ServerReview } from '../../../../common/server-review.ts'
import type { App } from '../../../app.ts'
import type { ServerStatus } from '../../../pipeline.ts'
import { untilAborted } from '../../../plugins/streams.ts'
import { answers, ServerReviewRequest } from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

/** POST /server-reviews: a broker has lost a server, and asks why, on behalf of the calls that ran there. */
export function addServerReviews(app: App, { verify, cluster }: Pick<Service, 'verify' | 'cluster'>): void {
  app.post(
    '/server-reviews',
    {
      schema: {
        tags: ['brokers'],
        summary: 'Why is this server lost?',
        description:
          'Waits until the reason is known, or for waitSeconds; then answers with the state as it is.',
        body: ServerReviewRequest,
        response: answers({ 200: ServerReview }),
      },
    },
    async (request): Promise<ServerReview> => {
      // From here on it is this credential that must not be logged.
      request.token = request.body.credential
      const { user, server = '' } = await verify('server', request.token)
      const signal = AbortSignal.timeout(request.body.waitSeconds * 1000)
      const owner = { name: user, groups: [], authenticator: 'server-credential' }
      let last: ServerStatus | undefined
      for await (const status of untilAborted(cluster.watch(owner, server, signal, false), signal)) {
        last = status
        if (isExplained(status)) break
      }
      last ??= await cluster.get(owner, server)
      if (!last) throw new RexecError('server_not_found')
      const { name, phase, message, code } = last
      return { user, name, phase, message, ...(code && { code }) }
    },
  )
}

/** A server that is stopping has a code when it is known why. */
function isExplained({ phase, code }: ServerStatus): boolean {
  return phase === 'failed' || phase === 'stopped' || (phase === 'stopping' && code !== undefined)
}
