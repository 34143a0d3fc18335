import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Seconds; no browser remembers the answer to a preflight for longer. */
const MAX_AGE = 7200
/** What a page sends beyond what every page may send. */
const HEADERS = 'authorization, content-type'

/**
 * Our pages are sandboxed (headers.ts), so their requests come from the origin "null", which they may as programs may:
 * with a credential in a header. Sandboxed frames of any site are called so too. They have no credential, and nobody's
 * cookies come with their requests, since Access-Control-Allow-Credentials is never sent (https://fetch.spec.whatwg.org/).
 */
export function addCors(app: FastifyInstance): void {
  app.addHook('onRequest', async ({ headers: { origin } }, reply) => {
    if (origin === 'null') reply.headers({ 'access-control-allow-origin': 'null', vary: 'Origin' })
  })
}

/** Whether a browser asks if a page of ours may send a request. */
export function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin === 'null' && 'access-control-request-method' in headers
}

/** @param methods of the address, as a list with commas */
export function answerPreflight(reply: FastifyReply, methods: string): FastifyReply {
  return reply
    .code(204)
    .headers({
      'access-control-allow-methods': methods,
      'access-control-allow-headers': HEADERS,
      'access-control-max-age': MAX_AGE,
    })
    .send()
}
