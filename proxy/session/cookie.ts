import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'

/** Bytes of name and value that every browser keeps (RFC 6265, section 6.1). */
const MAX_BYTES = 4096

interface Attributes {
  path: string
  secure: boolean
  /** Seconds. */
  maxAge: number
}

/**
 * Out of the reach of scripts, sent to `path` alone, and from other sites only when a link is followed.
 * @throws login_failed when it is larger than a browser keeps
 */
export function setCookie(reply: FastifyReply, name: string, value: string, attributes: Attributes): void {
  if (name.length + value.length > MAX_BYTES) {
    throw new RexecError('login_failed', "The hub's token is too long to be kept in a cookie.")
  }
  reply.setCookie(name, value, { ...attributes, httpOnly: true, sameSite: 'lax' })
}

export function clearCookie(
  reply: FastifyReply,
  name: string,
  { path, secure }: Omit<Attributes, 'maxAge'>,
): void {
  reply.clearCookie(name, { path, secure, httpOnly: true, sameSite: 'lax' })
}

/**
 * A cookie by its name. Other pages of this host may set one of the same name for a longer path, which the browser then
 * sends first: so of two neither counts.
 * @throws login_failed when there are two
 */
export function readCookie({ headers, cookies }: FastifyRequest, name: string): string | undefined {
  const all = (headers.cookie ?? '').split(';').filter((pair) => pair.split('=', 1)[0]!.trim() === name)
  if (all.length > 1) {
    throw new RexecError(
      'login_failed',
      `The browser has sent two cookies called ${name}. Remove the cookies of this site in your browser.`,
    )
  }
  return cookies[name]
}
