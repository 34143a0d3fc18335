/** Of an answer, more is not read: what answers may be anything. */
const MAX_BYTES = 1024 * 1024

export interface Answer {
  status: number
  text: string
  /** The body if it is a JSON object, else an empty one. */
  json: Record<string, unknown>
  headers: Headers
}

interface Asked {
  /** Without it: GET, or POST with a body. */
  method?: 'DELETE'
  token?: string
  signal: AbortSignal
  json?: unknown
  form?: string
}

/** One request. A redirect is an answer like any other: no token follows it. @throws what fetch() throws */
export async function ask(url: string, { method, token, signal, json, form }: Asked): Promise<Answer> {
  const body = form ?? (json === undefined ? undefined : JSON.stringify(json))
  const response = await fetch(url, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    redirect: 'manual',
    signal,
    headers: {
      accept: 'application/json',
      'user-agent': 'rexec-doctor',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && {
        'content-type': form === undefined ? 'application/json' : 'application/x-www-form-urlencoded',
      }),
    },
    ...(body !== undefined && { body }),
  })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    size += chunk.length
    if (size > MAX_BYTES) break
  }
  const text = Buffer.concat(chunks).toString()
  return { status: response.status, text, json: objectOf(text), headers: response.headers }
}

function objectOf(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {}
  return {}
}

/** The API's address with a path below it, whether or not it ends in a slash. */
export function below(url: string, path: string): string {
  return url.replace(/\/+$/, '') + path
}
