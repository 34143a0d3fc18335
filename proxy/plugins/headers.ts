import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** No CORS headers: other sites' pages have no business here. The docs bring a Content-Security-Policy of their own. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
}

export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => setHeaders(request, reply))
}

/** For answers that Fastify gives without any hook. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...HEADERS, 'x-request-id': request.id })
}
