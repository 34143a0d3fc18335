import { type Static, Type } from 'typebox'

/**
 * What the proxy tells a broker about a token (POST /api/v1/token-reviews): whose it is, and how that user's servers
 * are, so that a call without a connected server fails at once with the right reason or waits for one that starts.
 */
export const TokenReview = Type.Object(
  {
    user: Type.String({ minLength: 1, description: 'The exact user name.' }),
    server: Type.Optional(
      Type.String({ description: 'The only server that the token is for, if it names one.' }),
    ),
    expiresAt: Type.Optional(
      Type.Integer({ description: 'When the token ends, in seconds since the epoch.' }),
    ),
    servers: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          phase: Type.Enum(['pending', 'starting', 'installing', 'ready', 'stopping', 'stopped', 'failed']),
          message: Type.String({ description: 'Progress, or the reason of a failure.' }),
          code: Type.Optional(
            Type.String({ description: 'Error code when failed, or stopping for a reason that is known.' }),
          ),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)

export type TokenReview = Static<typeof TokenReview>
