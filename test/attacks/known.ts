import type { JsonWebKey } from 'node:crypto'
import { createHash } from 'node:crypto'
import { namespaceName } from '../../proxy/security-model/namespace-name.ts'

export const PREFIX = '/services/rexec'
export const API = `${PREFIX}/api/v1`
export const NAMESPACE_PREFIX = 'rexec-'
export const INSTANCE = 'rexec'
/** Alice's one server, and what she keeps in it. */
export const ALICES_SERVER = 'alices-lab'
export const ALICES_SECRET = 'what-only-alice-may-read'

/** What an attack can be made of. Attackers know less; an attack says what it takes for known. */
export interface Known {
  /** Of the broker. */
  credential: string
  /** Tokens that the service has made. */
  exec: Record<'alice' | 'mallory', string>
  server: Record<'alice' | 'mallory', string>
  /** The private key of the service, to make tokens that are wrong in one thing alone; and another installation's. */
  key: JsonWebKey & { kid: string }
  otherKey: JsonWebKey & { kid: string }
}

/** The identity token of a user: the authenticator of the tests knows it. */
export function tokenOf(user: string): string {
  return createHash('sha256').update(`token of ${user}`).digest('hex')
}

export function namespaceOf(user: string): string {
  return namespaceName(user, NAMESPACE_PREFIX)
}

interface Message {
  method?: string
  /** The request-target as it is. */
  target?: string
  /** Whose token is shown; `null`: nobody's. */
  as?: string | null
  /** Lines beside Host, Connection and what the other fields say. */
  headers?: string[]
  body?: string | Buffer
  /** Of the body; `null`: none. */
  type?: string | null
}

/** A request as it goes over the wire; the connection is closed after its answer. */
export function message({
  method = 'GET',
  target = API,
  as = 'mallory',
  headers = [],
  body,
  type,
}: Message): Buffer {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    'Host: rexec.test',
    'Connection: close',
    ...(as === null ? [] : [`Authorization: Bearer ${tokenOf(as)}`]),
    ...(body === undefined || type === null ? [] : [`Content-Type: ${type ?? 'application/json'}`]),
    ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
    ...headers,
  ]
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body ?? '')])
}

/** POST /api/v1/servers with this body. */
export function post(body: object | string | Buffer, as = 'mallory', headers: string[] = []): Buffer {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
  return message({ method: 'POST', target: `${API}/servers`, as, body: text, headers })
}
