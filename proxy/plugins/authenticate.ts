import type { FastifyInstance, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import type { Grant } from '../pipeline.ts'
import type { Service } from '../service.ts'
import { hubCookieOf } from '../session/session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request showed, proven or not. */
    token: string | undefined
    /** With a browser's session: the hub's own cookie. */
    hubCookie: string | undefined
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
  app.decorateRequest('hubCookie')
  app.decorateRequest('grant')
  app.addHook('onRequest', async (request) => {
    if (Object.keys(request.query ?? {}).some((name) => TOKEN_PARAMETERS.test(name))) {
      throw new RexecError('token_in_url')
    }
    request.token = headerToken(request)
  })
}

/**
 * For the routes of this scope: authenticate -> authorize, before the body is read. Without an Authorization header a
 * browser's session counts, when our own page has sent the request.
 */
export function requireUser(app: FastifyInstance, service: Service): void {
  app.addHook('onRequest', async (request) => {
    if (!request.token) await takeSession(request, service)
    await prove(request, service)
  })
}

async function takeSession(request: FastifyRequest, { sessions }: Service): Promise<void> {
  const session = await sessions.prove(request)
  if (!session) return
  request.token = session.token
  request.hubCookie = hubCookieOf(request)
}

/** @throws token_missing, token_invalid, identity_unavailable, not_allowed */
export async function prove(request: FastifyRequest, service: Service): Promise<void> {
  const { identities, authorize, auditAccess } = service
  const { token, hubCookie: cookie } = request
  if (!token) throw new RexecError('token_missing')
  const fresh = request.routeOptions.config.freshIdentity ?? false
  const user = await identities.authenticate(token, { fresh, ...(cookie && { cookie }) })
  try {
    request.grant = authorize(user)
  } catch (error) {
    auditAccess(request.log, user.name, error)
    throw error
  }
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
