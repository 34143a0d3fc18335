import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'

const NO_QUERY = Type.Object({}, { additionalProperties: false })

/** Routes that say nothing of query parameters take none: an unknown one is refused, not passed over. */
export function refuseUnknownQueries(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    if (route.schema?.hide) return
    route.schema = { querystring: NO_QUERY, ...route.schema }
  })
}
