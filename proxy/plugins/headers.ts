import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** No CORS headers: other sites' pages have no business here. The docs bring a Content-Security-Policy of their own. */
const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
}

/**
 * For pages. Users' servers may be on the same host, so neither a frame nor the window that opened this one may look into
 * it: noopener-allow-popups cuts it off from openers of the same origin too. Firefox does not know it, and would then cut
 * off nobody; same-origin keeps out those who cannot say the same of themselves.
 */
export function ownWindow({ headers }: FastifyRequest) {
  const isFirefox = /\bFirefox\//.test(headers['user-agent'] ?? '')
  return {
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': isFirefox ? 'same-origin' : 'noopener-allow-popups',
  }
}

const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
}

/** For pages of our own. */
export function pageHeaders(request: FastifyRequest) {
  return { ...PAGE_HEADERS, ...ownWindow(request) }
}

export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => setHeaders(request, reply))
}

/** For answers that Fastify gives without any hook. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...HEADERS, 'x-request-id': request.id })
}
