import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import type { Grant } from '../pipeline.ts'
import type { Service } from '../service.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request showed, proven or not. */
    token: string | undefined
    /** Who sent it and what they may do. Undefined on routes without authentication. */
    grant: Grant
  }
  interface FastifyContextConfig {
    /** What the route makes outlives a remembered answer: ask again whose token it is. */
    freshIdentity?: boolean
  }
}

/** Where a token must not be: names of query parameters that other services take one from. */
const TOKEN_PARAMETERS = /^(access_|auth_|api_)?(token|key)$|^authorization$/i
const HEADER = /^(?:bearer|token) +([!-~]+)$/i

/** Before anything else of a request is looked at, on every address: refuses tokens in the URL and doubled ones. */
export function addTokens(app: FastifyInstance): void {
  app.decorateRequest('token')
  app.decorateRequest('grant')
  app.addHook('onRequest', async (request) => {
    if (Object.keys(request.query ?? {}).some((name) => TOKEN_PARAMETERS.test(name))) {
      throw new RexecError('token_in_url')
    }
    request.token = headerToken(request)
  })
}

/** For the routes of this scope: authenticate -> authorize, before the body is read. */
export function requireUser(app: FastifyInstance, service: Service): void {
  app.addHook('onRequest', (request) => prove(request, service))
}

/** @throws token_missing, token_invalid, identity_unavailable, not_allowed */
export async function prove(request: FastifyRequest, { identities, authorize }: Service): Promise<void> {
  if (!request.token) throw new RexecError('token_missing')
  const fresh = request.routeOptions.config.freshIdentity ?? false
  request.grant = authorize(await identities.authenticate(request.token, { fresh }))
}

function headerToken(request: FastifyRequest): string | undefined {
  const headers = request.raw.headersDistinct.authorization ?? []
  if (headers.length === 0) return undefined
  if (headers.length > 1) {
    throw new RexecError('request_malformed', 'There is more than one Authorization header.')
  }
  const token = HEADER.exec(headers[0]!)?.[1]
  if (token) return token
  throw new RexecError('token_invalid', 'The Authorization header does not have the form "Bearer <token>".')
}
