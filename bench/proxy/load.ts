import { Agent, type RequestOptions, request } from 'node:http'
import { Agent as TlsAgent, request as tlsRequest } from 'node:https'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** From the first byte sent to the last one received. */
  milliseconds: number
}

/** HTTP over connections that are kept: what opens them is paid once, in no measurement. */
export interface HttpClient {
  send(
    method: string,
    path: string,
    options?: { headers?: Record<string, string>; body?: string },
  ): Promise<Answer>
  close(): void
}

export function openHttp(origin: string, tls: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {}): HttpClient {
  const url = new URL(origin)
  const isTls = url.protocol === 'https:'
  const agent = isTls ? new TlsAgent({ keepAlive: true, ...tls }) : new Agent({ keepAlive: true })
  const start = isTls ? tlsRequest : request
  return {
    send(method, path, { headers = {}, body = '' } = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      const options: RequestOptions = { agent, host: url.hostname, port: url.port, method, path, headers }
      if (body) options.headers = { ...headers, 'content-length': Buffer.byteLength(body) }
      const from = performance.now()
      start(options, (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece) => pieces.push(piece)).on('error', reject)
        response.on('end', () => {
          const milliseconds = performance.now() - from
          const text = Buffer.concat(pieces).toString()
          resolve({ status: response.statusCode!, headers: response.headers, text, milliseconds })
        })
      })
        .on('error', reject)
        .end(body)
      return promise
    },
    close: () => agent.destroy(),
  }
}

/** Runs `count` tasks, `concurrency` at a time. Gives the results in the order of their ends, and the time for all. */
export async function inFlight<T>(
  concurrency: number,
  count: number,
  task: (index: number) => Promise<T>,
): Promise<{ results: T[]; seconds: number }> {
  const results: T[] = []
  let next = 0
  const from = performance.now()
  await Promise.all(
    Array.from({ length: Math.min(concurrency, count) }, async () => {
      while (next < count) results.push(await task(next++))
    }),
  )
  return { results, seconds: (performance.now() - from) / 1000 }
}

/** @throws Error with what was answered, unless it is a 2xx */
export function expectSuccess(what: string, { status, text }: Answer): void {
  if (status < 200 || status > 299) throw new Error(`${what} answered ${status}: ${text.slice(0, 500)}`)
}
