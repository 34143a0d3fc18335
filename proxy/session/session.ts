import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import { createSeal } from '../../common/seal.ts'
import type { Signer } from '../../common/tokens.ts'
import type { ProxySettings } from '../settings.ts'
import { isHttps, isSameOrigin } from './browser.ts'
import { clearCookie, readCookie, setCookie } from './cookie.ts'

const COOKIE = 'rexec-session'
/** In this time a browser follows a redirect. */
const PASS_SECONDS = 10
/** What only a script of our page can send along. */
const XSRF_HEADER = 'x-xsrf-token'
/** By this cookie the hub knows a login, for all of its services; a logout there ends it. */
const HUB_COOKIE = 'jupyterhub-session-id'

/** A browser's login. No proxy keeps any: all of it is in a sealed cookie. */
export interface Session {
  id: string
  /** The hub's token. */
  token: string
  /** Whose it was at the login: for logs alone. */
  user?: string
}

export interface Sessions {
  /** Logs the browser of the user whom the request has proven in, for `seconds` at most. */
  begin(request: FastifyRequest, reply: FastifyReply, token: string, seconds?: number): Promise<void>
  end(request: FastifyRequest, reply: FastifyReply): void
  /** Who is logged in, whichever page has sent the request: for what gives nothing away to that page. */
  read(request: FastifyRequest): Promise<Session | undefined>
  /**
   * Who is logged in, when our own page has sent the request; undefined without a session.
   * @throws xsrf_invalid for another page's, token_invalid for a session that is over
   */
  prove(request: FastifyRequest): Promise<Session | undefined>
  /** What our page must send in XSRF_HEADER; good for this session alone. */
  xsrfToken(session: Session): string
  /** What shows, for a moment, that we have sent this browser to an address ourselves. */
  pass(session: Session): Promise<string>
  isPass(session: Session, pass: string): Promise<boolean>
}

export function createSessions(
  signer: Pick<Signer, 'deriveKey'>,
  settings: Pick<ProxySettings, 'session' | 'publicUrl' | 'prefix'>,
): Sessions {
  const seal = createSeal<{ id: string; token: string; user: string }>(signer.deriveKey('session'), 'session')
  const passes = createSeal<{ id: string }>(signer.deriveKey('pass'), 'pass')
  const xsrfKey = signer.deriveKey('xsrf')
  const attributes = (request: FastifyRequest) => ({
    path: `${settings.prefix}/`,
    secure: isHttps(request, settings),
  })
  const xsrfToken = ({ id }: Session) => createHmac('sha256', xsrfKey).update(id).digest('base64url')

  async function read(request: FastifyRequest): Promise<Session | undefined> {
    const cookie = readCookie(request, COOKIE)
    return cookie === undefined ? undefined : seal.open(cookie)
  }

  return {
    async begin(request, reply, token, seconds = Number.POSITIVE_INFINITY) {
      const maxAge = Math.min(settings.session.seconds, seconds)
      const user = request.grant.user.name
      const cookie = await seal.close({ id: randomUUID(), token, user }, maxAge)
      setCookie(reply, COOKIE, cookie, { ...attributes(request), maxAge })
    },
    end: (request, reply) => clearCookie(reply, COOKIE, attributes(request)),
    read,
    async prove(request) {
      if (readCookie(request, COOKIE) === undefined) return undefined
      const shown = request.headers[XSRF_HEADER]
      if (typeof shown !== 'string' || !isSameOrigin(request, settings)) throw new RexecError('xsrf_invalid')
      const session = await read(request)
      if (!session) throw new RexecError('token_invalid', 'Your session is over. Log in again.')
      if (!areEqual(shown, xsrfToken(session))) throw new RexecError('xsrf_invalid')
      return session
    },
    xsrfToken,
    pass: ({ id }) => passes.close({ id }, PASS_SECONDS),
    isPass: async ({ id }, pass) => (await passes.open(pass))?.id === id,
  }
}

/**
 * Which login at the hub the browser has, for asking whose token it is: one of another login is not the browser's.
 * @throws login_failed when there are two
 */
export function hubCookieOf(request: FastifyRequest): string | undefined {
  return readCookie(request, HUB_COOKIE)
}

function areEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}
