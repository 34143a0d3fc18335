import { ask, type Question } from '../common/ask.ts'

/** Bytes of an answer; a user's servers with their messages are far below it. */
const MAX_ANSWER = 4 * 1024 * 1024

export interface ProxyClientOptions {
  /** The proxy's address with its prefix. */
  url: string
  /** The broker credential. */
  credential: string
  /** Milliseconds for one question. */
  timeout: number
}

export interface ProxyAnswer {
  status: number
  /** The JSON of the answer; undefined when it is none. */
  body: unknown
}

/** Asks the proxy. */
export class ProxyClient {
  readonly url: string
  readonly #credential: string
  readonly #timeout: number
  /** Whether the last question was answered; unknown before the first. */
  lately: 'ok' | 'unavailable' | 'unknown' = 'unknown'
  /** Whether the proxy knows the credential. */
  credentialIs: 'ok' | 'refused' | 'unknown' = 'unknown'

  constructor({ url, credential, timeout }: ProxyClientOptions) {
    this.url = url.replace(/\/+$/, '')
    this.#credential = credential
    this.#timeout = timeout
  }

  /** Public things: shows no credential. Rejects when there is no answer in time. */
  get(path: string): Promise<ProxyAnswer> {
    return this.#ask(path, { headers: { 'cache-control': 'no-cache' } })
  }

  /** Rejects when there is no answer in time. */
  async post(path: string, json: unknown): Promise<ProxyAnswer> {
    const headers = { authorization: `Bearer ${this.#credential}` }
    const answer = await this.#ask(path, { method: 'POST', headers, json })
    if (codeOf(answer) === 'broker_only') this.credentialIs = 'refused'
    else if (answer.status < 500) this.credentialIs = 'ok'
    return answer
  }

  async #ask(path: string, { headers, ...question }: Question): Promise<ProxyAnswer> {
    const limits = { milliseconds: this.#timeout, bytes: MAX_ANSWER }
    try {
      const own = { ...question, headers: { ...headers, 'user-agent': 'rexec-broker' } }
      const { status, text } = await ask(this.url + path, own, limits)
      this.lately = status < 500 ? 'ok' : 'unavailable'
      return { status, body: parse(text) }
    } catch (error) {
      this.lately = 'unavailable'
      throw error
    }
  }
}

/** The code of a problem (RFC 9457). */
export function codeOf({ body }: ProxyAnswer): unknown {
  return (body as { code?: unknown } | null | undefined)?.code
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
