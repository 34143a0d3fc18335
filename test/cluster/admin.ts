import { Agent, get, type RequestOptions } from 'node:https'

/** What node:https wants to know to be cluster admin. */
export interface Access {
  url: string
  ca: string
  cert?: string
  key?: string
  token?: string
}

/** GET requests as cluster admin, over connections that are kept. */
export class Admin {
  readonly #access: Access
  readonly #agent: Agent

  constructor(access: Access) {
    const { ca, cert, key } = access
    this.#access = access
    this.#agent = new Agent({ keepAlive: true, maxSockets: 8, ca, cert, key })
  }

  /** @returns the body. @throws Error for no answer, and for any other than 200 */
  async get(path: string, accept = 'application/json'): Promise<string> {
    const { url, token } = this.#access
    const authorization = token ? { authorization: `Bearer ${token}` } : {}
    const options: RequestOptions = { agent: this.#agent, headers: { accept, ...authorization } }
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    get(url + path, options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk
      })
      response.on('error', reject).on('end', () => {
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`GET ${path}: ${response.statusCode} ${body.slice(0, 500)}`))
      })
    }).on('error', reject)
    return promise
  }

  async json<T>(path: string, accept?: string): Promise<T> {
    return JSON.parse(await this.get(path, accept)) as T
  }

  close(): void {
    this.#agent.destroy()
  }
}
