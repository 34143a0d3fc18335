import { createHash, timingSafeEqual } from 'node:crypto'
import { RexecError } from '../../../../common/errors.ts'
import { TokenReview } from '../../../../common/token-review.ts'
import { looksLikeOurs } from '../../../../common/tokens.ts'
import type { App } from '../../../app.ts'
import type { User } from '../../../pipeline.ts'
import { answers, TokenReviewRequest } from '../../../schemas.ts'
import type { Service } from '../../../service.ts'

interface Proven {
  user: User
  server?: string | undefined
  expiresAt?: number
}

/** POST /token-reviews: a broker asks whose token it was shown, and how that user's servers are. */
export function addTokenReviews(
  app: App,
  { settings, identities, authorize, verify, servers }: Service,
): void {
  const credential = digest(settings.broker.credential)

  app.addHook('onRequest', async ({ token }) => {
    if (!token) throw new RexecError('token_missing', 'This route wants the broker credential.')
    if (!timingSafeEqual(digest(token), credential)) throw new RexecError('broker_only')
  })

  async function whose(token: string): Promise<Proven> {
    if (!looksLikeOurs(token)) return { user: authorize(await identities.authenticate(token)).user }
    const { user, server, expiresAt } = await verify('exec', token)
    return { user: { name: user, groups: [], authenticator: 'exec-token' }, server, expiresAt }
  }

  app.post(
    '/token-reviews',
    {
      schema: {
        tags: ['brokers'],
        summary: 'Whose token is this?',
        body: TokenReviewRequest,
        response: answers({ 200: TokenReview }),
      },
    },
    async (request): Promise<TokenReview> => {
      // From here on it is this token that must not be logged.
      request.token = request.body.token
      const { user, server, expiresAt } = await whose(request.token)
      const all = await servers.list(user)
      return {
        user: user.name,
        ...(server !== undefined && { server }),
        ...(expiresAt !== undefined && { expiresAt }),
        servers: all
          .filter(({ name }) => server === undefined || name === server)
          .map(({ name, phase, message, code }) => ({ name, phase, message, ...(code && { code }) })),
      }
    },
  )
}

/** Of equal length for any two texts, so that comparing them takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
