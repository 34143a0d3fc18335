import type { FastifyInstance, HTTPMethods } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import { answerPreflight, isPreflight } from './cors.ts'

const METHODS: HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']

/**
 * Collects the addresses as routes are added. The function returned, called when all are there, has their other methods
 * answered with 405 and Allow (RFC 9110, section 15.5.6), and preflights of our pages, before anybody is authenticated.
 */
export function collectMethods(app: FastifyInstance): () => void {
  const urls = new Set<string>()
  app.addHook('onRoute', ({ url }) => {
    urls.add(url)
  })
  return () => {
    for (const url of [...urls]) {
      if (url.includes('*')) continue
      const methods = METHODS.filter((method) => app.hasRoute({ url, method }))
      const allow = methods.join(', ')
      app.route({
        url,
        method: METHODS.filter((method) => !methods.includes(method)),
        schema: { hide: true },
        onRequest: async (request, reply) => {
          if (isPreflight(request)) return answerPreflight(reply, allow)
          reply.header('allow', allow)
          throw new RexecError('method_not_allowed')
        },
        handler: () => {},
      })
    }
  }
}
