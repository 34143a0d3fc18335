import { request } from 'node:http'

export interface Page {
  url: string
  status: number
  headers: Record<string, string | string[] | undefined>
  body: string
}

interface Cookie {
  name: string
  value: string
  path: string
  attributes: string
}

export interface Visit {
  method?: string
  form?: Record<string, string>
  headers?: Record<string, string>
  /** Redirects that are followed; 20 unless told otherwise. */
  redirects?: number
}

/** What a browser says when an address is typed or a link followed. */
export const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none',
}
/** And when a script of a page on the same host asks. */
export const SCRIPT = {
  accept: '*/*',
  'sec-fetch-mode': 'cors',
  'sec-fetch-dest': 'empty',
  'sec-fetch-site': 'same-origin',
}
/** And when a script of a sandboxed page does, such as ours: of the same host or any other. */
export const SANDBOXED = { ...SCRIPT, 'sec-fetch-site': 'cross-site', origin: 'null' }

/** Stands in for a browser: keeps cookies by their path, follows redirects, and runs nothing. */
export class FakeBrowser {
  readonly cookies: Cookie[] = []
  /** Every address that was asked for. */
  readonly visited: string[] = []

  async visit(
    url: string,
    { redirects = 20, method = 'GET', form, headers = NAVIGATION }: Visit = {},
  ): Promise<Page> {
    const page = await this.#ask(url, method, form && `${new URLSearchParams(form)}`, headers)
    const { location } = page.headers
    if (page.status < 300 || page.status > 399 || typeof location !== 'string' || redirects === 0) return page
    return this.visit(new URL(location, url).href, { redirects: redirects - 1, headers })
  }

  cookie(name: string): Cookie | undefined {
    return this.cookies.find((cookie) => cookie.name === name)
  }

  /** As any page of the host can. */
  toss(name: string, value: string, path: string): void {
    this.#forget(name, path)
    this.cookies.push({ name, value, path, attributes: '' })
  }

  /** The longest path first (RFC 6265, section 5.4). */
  #header(path: string): string {
    return this.cookies
      .filter((cookie) => path === cookie.path || path.startsWith(cookie.path.replace(/\/?$/, '/')))
      .toSorted((a, b) => b.path.length - a.path.length)
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  #keep(line: string): void {
    const [pair, ...attributes] = line.split(/;\s*/)
    const name = pair!.slice(0, pair!.indexOf('='))
    const path = attributes.find((text) => /^path=/i.test(text))?.slice(5) ?? '/'
    this.#forget(name, path)
    const gone = attributes.some(
      (text) => /^max-age=0$/i.test(text) || Date.parse(/^expires=(.*)/i.exec(text)?.[1] ?? '') < Date.now(),
    )
    const value = pair!.slice(name.length + 1)
    if (!gone) this.cookies.push({ name, value, path, attributes: attributes.join('; ') })
  }

  #forget(name: string, path: string): void {
    const place = this.cookies.findIndex((cookie) => cookie.name === name && cookie.path === path)
    if (place >= 0) this.cookies.splice(place, 1)
  }

  #ask(
    url: string,
    method: string,
    body: string | undefined,
    headers: Record<string, string>,
  ): Promise<Page> {
    this.visited.push(url)
    const cookie = this.#header(new URL(url).pathname)
    return new Promise((resolve, reject) => {
      const asked = request(url, {
        method,
        headers: {
          ...headers,
          ...(cookie && { cookie }),
          ...(body !== undefined && {
            'content-type': 'application/x-www-form-urlencoded',
            'content-length': Buffer.byteLength(body),
          }),
        },
      })
      asked.on('error', reject).on('response', async (answer) => {
        for (const line of answer.headers['set-cookie'] ?? []) this.#keep(line)
        let text = ''
        for await (const chunk of answer.setEncoding('utf8')) text += chunk
        resolve({ url, status: answer.statusCode!, headers: answer.headers, body: text })
      })
      asked.end(body)
    })
  }
}
