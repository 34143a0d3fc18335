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
export function addTokenReviews(app: App, { identities, authorize, verify, servers }: Service): void {
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
