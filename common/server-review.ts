import { type Static, Type } from 'typebox'
import { TokenReview } from './token-review.ts'

/** Seconds for which a broker may let the proxy wait for a reason. */
export const MAX_REVIEW_SECONDS = 30

/**
 * What the proxy tells a broker about a server whose connection is lost (POST /api/v1/server-reviews), so that the calls
 * that ran there end with the reason.
 */
export const ServerReview = Type.Object(
  {
    user: Type.String({ minLength: 1, description: 'The exact user name.' }),
    ...TokenReview.properties.servers.items.properties,
  },
  { additionalProperties: false },
)

export type ServerReview = Static<typeof ServerReview>
