import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { type ErrorCode, RexecError } from '../../common/errors.ts'
import { setHeaders } from './headers.ts'
import { problemOf, type Refused, sendProblem } from './problems.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** The id of a request in its answer and in every log line. Only a UUID is taken over: anything else may be a secret. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && UUID.test(given) ? given.toLowerCase() : randomUUID()
}

/** One line per request, with the route's pattern: a path that was asked for may hold anything. */
export class RequestLog extends LogController {
  readonly #hops: number

  /** @param hops proxies one behind the other that are trusted to say whom they have heard from */
  constructor(hops: number) {
    super({ requestIdLogLabel: 'requestId' })
    this.#hops = hops
  }
  override incomingRequest(): void {}
  override routeNotFound(): void {}
  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    this.write(request, reply, error ? 'request broken off' : 'request')
  }

  write(request: FastifyRequest, reply: FastifyReply, message: string): void {
    reply.log.info(
      {
        method: request.method,
        route: request.routeOptions.url,
        status: reply.statusCode,
        milliseconds: Math.round(reply.elapsedTime * 10) / 10,
        user: request.grant?.user.name,
        ip: this.#clientOf(request),
      },
      message,
    )
  }

  /** Each proxy adds whom it has heard from; what stands before that, the caller may have written. */
  #clientOf({ ips, socket }: FastifyRequest): string | undefined {
    const { remoteAddress } = socket
    const said = ips?.[Math.min(this.#hops, ips.length - 1)]
    return said && isIP(said) ? said : remoteAddress
  }
}

const CLIENT_ERRORS: Record<string, ErrorCode> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}

/** What has to be known of connections beside their requests. */
export class Connections {
  /** Those that never sent a request are not idle to Node: closing would wait for their time-out. */
  readonly #silent = new Set<Socket>()
  readonly #answers = new WeakMap<Socket, ServerResponse>()
  readonly #refused: Refused
  readonly #log: RequestLog

  constructor(refused: Refused, log: RequestLog) {
    this.#refused = refused
    this.#log = log
  }

  /** @param closing the service ends soon */
  watch(app: FastifyInstance, closing: AbortSignal | undefined): void {
    app.server.on('connection', (socket) => {
      this.#silent.add(socket)
      socket.once('close', () => this.#silent.delete(socket))
    })
    app.server.on('request', ({ socket }, response) => {
      this.#silent.delete(socket)
      this.#answers.set(socket, response)
    })
    // A proxy that keeps its connections would send the next request on one just while it is closed.
    app.addHook('onSend', async (_request, reply) => {
      if (closing?.aborted) reply.header('connection', 'close')
    })
    // Above limits.connections: nothing was read of it.
    app.server.on('drop', () => this.#refused('too_many_requests'))
    app.addHook('preClose', async () => {
      for (const socket of this.#silent) socket.destroy()
    })
  }

  /** An address that cannot be decoded, or has a part longer than any name. No hook sees such a request. */
  answerBadAddress(request: FastifyRequest, reply: FastifyReply): void {
    this.#refused('not_found')
    setHeaders(request, reply)
    sendProblem(new RexecError('not_found'), request, reply)
    this.#log.write(request, reply, 'request')
  }

  /** What is not HTTP gets an answer too, but not into the middle of one that is under way. */
  answerError(error: Error & { code?: string }, socket: Socket): void {
    const answer = this.#answers.get(socket)
    const underWay = answer?.headersSent && !answer.writableFinished
    if (error.code === 'ECONNRESET' || !socket.writable || underWay) {
      socket.destroy()
      return
    }
    const code = CLIENT_ERRORS[error.code ?? ''] ?? 'request_malformed'
    this.#refused(code)
    const problem = problemOf(new RexecError(code), randomUUID())
    const body = JSON.stringify(problem)
    const head = [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      'connection: close',
      'content-type: application/problem+json',
      `x-request-id: ${problem.requestId}`,
      `content-length: ${Buffer.byteLength(body)}`,
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
}
