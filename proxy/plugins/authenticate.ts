import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import type { Grant } from '../pipeline.ts'
import type { Service } from '../service.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request showed, proven or not. */
    token: string | undefined
    /** What our page shows instead: the session of who looks at it, sealed. */
    session: string | undefined
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
const HEADER = /^(?:(bearer|token)|session) +([!-~]+)$/i

/** Before anything else of a request is looked at, on every address: refuses tokens in the URL and doubled ones. */
export function addTokens(app: FastifyInstance): void {
  app.decorateRequest('token')
  app.decorateRequest('session')
  app.decorateRequest('grant')
  app.addHook('onRequest', async (request) => {
    if (Object.keys(request.query ?? {}).some((name) => TOKEN_PARAMETERS.test(name))) {
      throw new RexecError('token_in_url')
    }
    readHeader(request)
  })
}

/**
 * For the routes of this scope: authenticate -> authorize, before the body is read. The token comes in the Authorization
 * header, by itself or in the session that our page has been given. Cookies count for nothing.
 */
export function requireUser(app: FastifyInstance, service: Service): void {
  app.addHook('onRequest', async (request) => {
    if (request.session !== undefined) request.token = await service.sessions.open(request.session)
    await prove(request, service)
  })
}

/** @throws token_missing, token_invalid, identity_unavailable, not_allowed */
export async function prove(request: FastifyRequest, service: Service): Promise<void> {
  const { identities, authorize, auditAccess } = service
  const { token } = request
  if (!token) throw new RexecError('token_missing')
  const fresh = request.routeOptions.config.freshIdentity ?? false
  const user = await identities.authenticate(token, { fresh })
  try {
    request.grant = authorize(user)
  } catch (error) {
    auditAccess(request.log, user.name, error)
    throw error
  }
}

function readHeader(request: FastifyRequest): void {
  const headers = request.raw.headersDistinct.authorization ?? []
  if (headers.length === 0) return
  if (headers.length > 1) {
    throw new RexecError('request_malformed', 'There is more than one Authorization header.')
  }
  const [, isToken, shown] = HEADER.exec(headers[0]!) ?? []
  if (!shown) {
    throw new RexecError('token_invalid', 'The Authorization header does not have the form "Bearer <token>".')
  }
  request[isToken ? 'token' : 'session'] = shown
}
