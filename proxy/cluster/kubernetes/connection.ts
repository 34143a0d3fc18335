import type { RequestOptions } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { KubeConfig } from '@kubernetes/client-node'
import { Agent, type Dispatcher, errors } from 'undici'
import { Histogram, type Registry } from '../../../common/metrics.ts'
import { ApiError, type Refusal } from './api-error.ts'

/** Connections for calls; more calls at once wait for a free one. Each stream has one of its own beside them. */
const MAX_CONNECTIONS = 64
/** The API server closes idle connections after 90 s. */
const KEEP_ALIVE_MS = 60_000
/** A peer that is gone without a word is noticed ten seconds after this. */
const TCP_KEEP_ALIVE_MS = 15_000
/** Certificates and tokens are read from their files again this often, and after a 401. */
const CREDENTIALS_MS = 60_000

export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Below the address of the API server, names encoded, with its query. */
  path: string
  headers?: Record<string, string>
  body?: string
  /** How it is counted, where that is not the method. */
  verb?: string
}

export interface Answer {
  status: number
  headers: Record<string, string>
  text: string
}

export interface StreamOptions {
  /** How it is counted: watch, log. */
  verb: string
  /** Between two pieces: a stream that is silent for longer ends. 0 means no limit, for the beginning neither. */
  idleMs: number
  signal: AbortSignal
  /** Called when the API server has accepted the request; the first piece may be long in coming. */
  onOpen?: (() => void) | undefined
}

/** Connections to one API server, shared by everything that speaks to it. Redirects are not followed. */
export interface Connection {
  /** One call with its answer. @throws ApiError for what is not a 2xx */
  call(call: Call): Promise<Answer>
  /** A GET whose answer goes on, until the server ends it or the signal aborts, which is no error. @throws ApiError */
  stream(path: string, options: StreamOptions): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

interface Credentials {
  readAt: number
  headers: Record<string, string>
  tls: object
  /** For calls, and for streams, which keep a connection to themselves. */
  agents: { calls: Agent; streams: Agent }
}

/**
 * @param load reads the configuration anew from its files
 * @param seconds in which a call must be answered
 * @throws what `load` throws
 */
export function openConnection(load: () => KubeConfig, seconds: number, registry: Registry): Connection {
  const server = new URL(load().getCurrentCluster()!.server)
  const base = server.pathname.replace(/\/$/, '')
  const durations = new Histogram({
    name: 'rexec_kubernetes_request_seconds',
    help: 'Time until the API server answered, of streams until they began; code 0: no answer',
    labelNames: ['verb', 'resource', 'code'],
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10],
    registers: [registry],
  })
  let current: Credentials | undefined
  let reading: Promise<Credentials> | undefined

  async function read(): Promise<Credentials> {
    const options: RequestOptions = {}
    try {
      await load().applyToHTTPSOptions(options)
    } catch (cause) {
      if (!current) throw new ApiError(undefined, { message: 'the credentials cannot be read' }, { cause })
      // Files that cannot be read for a moment do not stop what the old ones can do.
      current.readAt = performance.now()
      return current
    }
    const { ca, cert, key, rejectUnauthorized, servername } = options
    const tls = { ca, cert, key, rejectUnauthorized, servername }
    const headers = { 'user-agent': 'rexec', ...(options.headers as Record<string, string>) }
    const same = isDeepStrictEqual(current?.tls, tls)
    if (current && !same) for (const agent of Object.values(current.agents)) void agent.close()
    const agents = current && same ? current.agents : openAgents(tls, seconds)
    current = { readAt: performance.now(), headers, tls, agents }
    return current
  }

  /** @param refused have just been answered with 401 */
  async function credentials(refused?: Credentials): Promise<Credentials> {
    if (current && current !== refused && performance.now() - current.readAt < CREDENTIALS_MS) return current
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  /** One request; a 401 and what the API server wants to have repeated (429) are tried again. */
  async function send(
    { method, path, headers, body, verb = method.toLowerCase() }: Call,
    kind: keyof Credentials['agents'],
    limits: { signal: AbortSignal; headersTimeout: number; bodyTimeout: number },
  ): Promise<Dispatcher.ResponseData> {
    const end = durations.startTimer({ verb, resource: resourceOf(path) })
    const deadline = performance.now() + seconds * 1000
    let code = 0
    try {
      let used = await credentials()
      for (let renewed = false; ; ) {
        const sent = used.agents[kind].request({
          origin: server.origin,
          path: base + path,
          method,
          headers: { accept: 'application/json', ...headers, ...used.headers },
          body,
          ...limits,
        })
        const answer = await untilAborted(sent, limits.signal)
        code = answer.statusCode
        if (code >= 200 && code < 300) return answer
        const refusal = await refusalOf(answer)
        const waitMs = Number(answer.headers['retry-after'] ?? Number.NaN) * 1000
        if (code === 401 && !renewed) {
          renewed = true
          used = await credentials(used)
        } else if (code === 429 && performance.now() + waitMs < deadline) {
          await sleep(waitMs, undefined, { signal: limits.signal })
        } else throw new ApiError(code, refusal)
      }
    } catch (error) {
      throw asApiError(error)
    } finally {
      end({ code })
    }
  }

  return {
    async call(call) {
      const ms = seconds * 1000
      const limits = { signal: AbortSignal.timeout(ms), headersTimeout: ms, bodyTimeout: ms }
      const { statusCode, headers, body } = await send(call, 'calls', limits)
      const text = await body.text().catch((error) => {
        throw asApiError(error)
      })
      return { status: statusCode, headers: headers as Record<string, string>, text }
    },

    async *stream(path, { verb, idleMs, signal, onOpen }) {
      if (signal.aborted) return
      // The kubelet begins to answer with the first line of a log.
      const headersTimeout = idleMs === 0 ? 0 : seconds * 1000
      const limits = { signal, headersTimeout, bodyTimeout: idleMs }
      try {
        const { body } = await send({ method: 'GET', path, verb }, 'streams', limits)
        onOpen?.()
        for await (const piece of body) yield piece
      } catch (error) {
        // Silence is no error: either nothing has happened, or the next request shows what has.
        if (!signal.aborted && !(error instanceof errors.BodyTimeoutError)) throw asApiError(error)
      }
    },

    async close() {
      await reading?.catch(() => undefined)
      if (current) await Promise.all(Object.values(current.agents).map((agent) => agent.destroy()))
    },
  }
}

function openAgents(tls: object, seconds: number): Credentials['agents'] {
  const options: Agent.Options = {
    // One call after the other on each connection: the API server serves them all, whatever one of them waits for.
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: {
      ...tls,
      timeout: seconds * 1000,
      keepAlive: true,
      keepAliveInitialDelay: TCP_KEEP_ALIVE_MS,
    },
  }
  return { calls: new Agent({ ...options, connections: MAX_CONNECTIONS }), streams: new Agent(options) }
}

async function refusalOf({ body }: Dispatcher.ResponseData): Promise<Refusal> {
  const text = await body.text()
  try {
    return JSON.parse(text)
  } catch {
    return { message: text.slice(0, 200) }
  }
}

/** A request that waits for its connection would notice the signal only when it has one; it is not sent then. */
async function untilAborted<T>(sent: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([sent, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const { message, code } = error as NodeJS.ErrnoException
  return new ApiError(undefined, { message: message || code }, { cause: error })
}

/** "/api/v1/namespaces/NS/pods/NAME/log?…" -> "pods/log" */
function resourceOf(path: string): string {
  const [, root, ...rest] = path.split('?', 1)[0]!.split('/')
  if (root !== 'api' && root !== 'apis') return root!
  const parts = rest.slice(root === 'api' ? 1 : 2)
  const [resource, , subresource] = parts[0] === 'namespaces' && parts.length > 2 ? parts.slice(2) : parts
  return subresource ? `${resource}/${subresource}` : resource!
}
