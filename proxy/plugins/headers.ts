import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

const HEADERS = {
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
}

/**
 * Makes a page's origin one of its own ("null"): users' servers may be on the same host, and neither their pages nor their
 * service workers then reach into it or see what it asks for. Windows that it opens are ordinary ones.
 */
export const SANDBOX = 'allow-scripts allow-forms allow-downloads allow-popups allow-popups-to-escape-sandbox'

/** For files that our sandboxed pages load, which for a browser are those of another origin. Everybody may see them. */
export const PUBLIC_FILE = {
  'access-control-allow-origin': '*',
  'cross-origin-resource-policy': 'cross-origin',
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/**
 * What a sandboxed page may ask, where `address` is the service's: its own origin has no address, and WebKit takes 'self'
 * in this directive for that.
 */
export function connectSource(address: string): string {
  return `'self' ${URL.parse(address)?.origin ?? ''}`
}

/** For pages of our own; `more` are directives of the Content-Security-Policy. */
export function pageHeaders(more = "form-action 'none'") {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `${POLICY}; ${more}`,
    'x-frame-options': 'DENY',
  }
}

export function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => setHeaders(request, reply))
}

/** For answers that Fastify gives without any hook. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers({ ...HEADERS, 'x-request-id': request.id })
}
