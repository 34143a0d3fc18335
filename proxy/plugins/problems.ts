import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type ErrorCode, errorTable, RexecError } from '../../common/errors.ts'
import { Counter, type Registry } from '../../common/metrics.ts'
import { messagePage } from '../page/message.ts'
import { wantsPage } from '../session/browser.ts'
import { pageHeaders } from './headers.ts'
import { explain } from './validation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Refusals are pages where a browser asks for one. */
    forPeople?: boolean
  }
}

/** What Fastify refuses by itself, in codes of ours. */
const FASTIFY_CODES: Record<string, ErrorCode> = {
  FST_ERR_BAD_URL: 'not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body_invalid',
}
/** Seconds, where the error itself says nothing. */
const RETRY_AFTER = 5

/** An RFC 9457 problem. `detail` is where clients of FastAPI services, such as the Rexec ones, look for a sentence. */
export function problemOf(error: RexecError, requestId: string) {
  const { says } = errorTable[error.code]
  return {
    type: `urn:rexec:problem:${error.code}`,
    title: says.slice(0, says.search(/\.(\s|$)/)),
    status: error.status,
    detail: error.detail ? `${error.detail} ${says}` : says,
    code: error.code,
    requestId,
  }
}

/** Counts an answer with this code. */
export type Refused = (code: ErrorCode) => void

export function createRefusals(registry: Registry): Refused {
  const refusals = new Counter({
    name: 'rexec_http_refusals_total',
    help: 'Requests refused or failed, by error code',
    labelNames: ['code'],
    registers: [registry],
  })
  return (code) => refusals.inc({ code })
}

/** Every refusal and failure of a request leaves through here: one form, one log line, one count. */
export function addProblems(app: FastifyInstance, refused: Refused): void {
  app.setNotFoundHandler(() => {
    throw new RexecError('not_found')
  })
  app.setErrorHandler((thrown: FastifyError, request, reply) => {
    const error = asRexecError(thrown)
    refused(error.code)
    if (error.status >= 500) logFailure(error, request)
    return sendProblem(error, request, reply)
  })
}

export function sendProblem(error: RexecError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, retryAfter } = error
  if (status === 503 || status === 429) reply.header('retry-after', retryAfter ?? RETRY_AFTER)
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="rexec"')
  const problem = problemOf(error, request.id)
  if (request.routeOptions.config.forPeople && wantsPage(request)) {
    return reply.code(status).headers(pageHeaders()).send(pageOf(problem))
  }
  return reply.code(status).type('application/problem+json').send(problem)
}

function pageOf({ title, detail, code, requestId }: ReturnType<typeof problemOf>): string {
  return messagePage({
    title,
    paragraphs: [detail.replace(`${title}. `, '')],
    links: [{ text: 'Try again', href: './' }],
    note: `${code}, request ${requestId}`,
  })
}

function asRexecError(error: FastifyError | RexecError): RexecError {
  if (error instanceof RexecError) return error
  if (error.validation) return explain(error.validation, error.validationContext)
  return new RexecError(FASTIFY_CODES[error.code] ?? codeOf(error.statusCode), undefined, { cause: error })
}

/** By the status that a plugin of Fastify gives its error: a file that must not be seen, a body that broke off. */
function codeOf(status = 500): ErrorCode {
  if (status === 403 || status === 404) return 'not_found'
  return status < 500 ? 'request_malformed' : 'internal'
}

/** The cause is for the log alone. What the request showed as its token or session is cut out of it. */
function logFailure(error: RexecError, request: FastifyRequest): void {
  const cause = error.cause instanceof Error ? error.cause : error
  const shown = [request.token, request.session].flatMap((secret) => secret || [])
  const clean = (text = '') => shown.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
  const err = { name: cause.name, message: clean(cause.message), stack: clean(cause.stack) }
  request.log[error.code === 'internal' ? 'error' : 'warn']({ err, code: error.code }, error.code)
}
