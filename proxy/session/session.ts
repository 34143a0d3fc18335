import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import { createSeal } from '../../common/seal.ts'
import type { Signer } from '../../common/tokens.ts'
import type { ProxySettings } from '../settings.ts'
import { isHttps } from './browser.ts'
import { clearCookie, readCookie, setCookie } from './cookie.ts'

const COOKIE = 'rexec-session'
/** By this cookie the hub knows a login, for all of its services; a logout there ends it. */
const HUB_COOKIE = 'jupyterhub-session-id'

/** A browser's login. No proxy keeps any: all of it is in a sealed cookie. */
export interface Session {
  /** The hub's token. */
  token: string
  /** Whose it was at the login: for logs alone. */
  user: string
  /** Seconds since 1970. */
  endsAt: number
}

/**
 * The cookie shows whose browser it is, and gets our page, nothing else: other pages of the host can have it sent. The
 * page is given what its requests and its logout must show, sealed as well, and each good for one purpose.
 */
export interface Sessions {
  /** Logs the browser of the user whom the request has proven in, for `seconds` at most. */
  begin(request: FastifyRequest, reply: FastifyReply, token: string, seconds?: number): Promise<void>
  end(request: FastifyRequest, reply: FastifyReply): void
  /** Who is logged in, whichever page has sent the request. @throws login_failed */
  read(request: FastifyRequest): Promise<Session | undefined>
  /** What our page shows with each request, for as long as the session lasts. */
  forPage(session: Session): Promise<string>
  /** The token of the session that our page has shown. @throws token_invalid */
  open(shown: string): Promise<string>
  /** What our page shows to log out. It goes through a form, which service workers of other pages see. */
  forLogout(session: Session): Promise<string>
  /** Whose session is to end. */
  openLogout(shown: string): Promise<string | undefined>
}

export function createSessions(
  signer: Pick<Signer, 'deriveKey'>,
  settings: Pick<ProxySettings, 'session' | 'publicUrl' | 'prefix'>,
): Sessions {
  const sealFor = <T extends Record<string, unknown>>(purpose: string) =>
    createSeal<T>(signer.deriveKey(purpose), purpose)
  const cookies = sealFor<{ token: string; user: string; endsAt: number }>('cookie')
  const pages = sealFor<{ token: string }>('page')
  const logouts = sealFor<{ user: string }>('logout')
  const attributes = (request: FastifyRequest) => ({
    path: `${settings.prefix}/`,
    secure: isHttps(request, settings),
  })

  return {
    async begin(request, reply, token, seconds = Number.POSITIVE_INFINITY) {
      const maxAge = Math.min(settings.session.seconds, seconds)
      const session = { token, user: request.grant.user.name, endsAt: now() + maxAge }
      setCookie(reply, COOKIE, await cookies.close(session, maxAge), { ...attributes(request), maxAge })
    },
    end: (request, reply) => clearCookie(reply, COOKIE, attributes(request)),
    async read(request) {
      const cookie = readCookie(request, COOKIE)
      return cookie === undefined ? undefined : cookies.open(cookie)
    },
    forPage: ({ token, endsAt }) => pages.close({ token }, endsAt - now()),
    async open(shown) {
      const session = await pages.open(shown)
      if (!session) throw new RexecError('token_invalid', 'Your session is over. Log in again.')
      return session.token
    },
    forLogout: ({ user, endsAt }) => logouts.close({ user }, endsAt - now()),
    openLogout: async (shown) => (await logouts.open(shown))?.user,
  }
}

/**
 * Which login at the hub the browser has, for asking whose token it is: one of another login is not the browser's.
 * @throws login_failed when there are two
 */
export function hubCookieOf(request: FastifyRequest): string | undefined {
  return readCookie(request, HUB_COOKIE)
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}
