import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RexecError } from '../../common/errors.ts'
import { createSeal } from '../../common/seal.ts'
import type { Signer } from '../../common/tokens.ts'
import type { ProxySettings } from '../settings.ts'
import { isHttps } from './browser.ts'
import { clearCookie, readCookie, setCookie } from './cookie.ts'
import type { HubOauth } from './hub-oauth.ts'

/** What the hub appends to our address. */
export interface Callback {
  code?: string
  state?: string
  error?: string
}

/** A browser's way to the hub and back. Between the two its own sealed cookie remembers what was begun. */
export interface Logins {
  /** Where to send the browser; `next` is where it wants to be afterwards. */
  begin(request: FastifyRequest, reply: FastifyReply, next: string): Promise<string>
  /** Ends the login that this browser began; it cannot be ended twice. @throws login_failed, identity_unavailable */
  finish(
    request: FastifyRequest,
    reply: FastifyReply,
    callback: Callback,
  ): Promise<{ token: string; seconds: number | undefined; next: string }>
  /** Where the login at the hub ends. */
  logoutUrl: string
}

/** A cookie for each login: tabs that a browser opens again at its start all log in at once. */
const cookieOf = (state: string) => `rexec-login-${state.slice(0, 8)}`
const STATE = /^[\w-]{43}$/

export function createLogins(
  oauth: HubOauth,
  signer: Pick<Signer, 'deriveKey'>,
  settings: Pick<ProxySettings, 'session' | 'publicUrl' | 'prefix'>,
): Logins {
  const seal = createSeal<{ state: string; verifier: string; next: string }>(
    signer.deriveKey('login'),
    'login',
  )
  const attributes = (request: FastifyRequest) => ({
    path: `${settings.prefix}/oauth_callback`,
    secure: isHttps(request, settings),
  })

  return {
    async begin(request, reply, next) {
      const [state, verifier] = [secret(), secret()]
      const maxAge = settings.session.loginSeconds
      const cookie = await seal.close({ state, verifier, next }, maxAge)
      setCookie(reply, cookieOf(state), cookie, { ...attributes(request), maxAge })
      return oauth.authorizeUrl(state, verifier)
    },

    async finish(request, reply, { code, state, error }) {
      if (state === undefined || !STATE.test(state)) throw new RexecError('login_failed')
      const name = cookieOf(state)
      const cookie = readCookie(request, name)
      const begun = cookie === undefined ? undefined : await seal.open(cookie)
      if (begun?.state !== state) {
        throw new RexecError('login_failed', 'This browser has not begun this login, or too long ago.')
      }
      clearCookie(reply, name, attributes(request))
      if (error !== undefined || !code) throw new RexecError('login_failed', 'The hub did not log you in.')
      return { ...(await oauth.redeem(code, begun.verifier)), next: begun.next }
    },

    logoutUrl: oauth.logoutUrl,
  }
}

/** 256 bits; PKCE wants 43 characters (RFC 7636, 4.1). */
function secret(): string {
  return randomBytes(32).toString('base64url')
}
