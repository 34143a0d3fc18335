import { createHash } from 'node:crypto'
import type { Answer } from '../../common/ask.ts'
import { RexecError } from '../../common/errors.ts'
import { askService, objectOf } from '../identity/ask.ts'
import { unavailable } from '../identity/authenticator.ts'
import type { JupyterhubSettings } from '../identity/settings.ts'
import type { ProxySettings } from '../settings.ts'

/** The hub as an OAuth 2.0 provider (RFC 6749, 4.1), with PKCE (RFC 7636). */
export interface HubOauth {
  /** Where a browser is sent to log in. */
  authorizeUrl(state: string, verifier: string): string
  /** The token for a code; `seconds` is how long it lives. @throws login_failed, identity_unavailable */
  redeem(code: string, verifier: string): Promise<{ token: string; seconds: number | undefined }>
  /** Ends the login at the hub, and with it the tokens that it has given to services. */
  logoutUrl: string
}

/** Undefined unless the hub knows us as a service with a token of its own. */
export function createHubOauth(
  settings: JupyterhubSettings | undefined,
  { prefix, publicUrl }: Pick<ProxySettings, 'prefix' | 'publicUrl'>,
): HubOauth | undefined {
  if (!settings?.apiToken) return undefined
  const { apiUrl, apiToken, serviceName } = settings
  const hub = `${settings.publicUrl ?? prefix.replace(/services\/[^/]+$/, '')}hub/`
  // The hub compares it as a text with what it has of the service: a path of its own host, or an address of another.
  const isElsewhere = publicUrl !== undefined && URL.parse(hub) && !hub.startsWith(`${publicUrl}/`)
  const callback = `${isElsewhere ? publicUrl : ''}${prefix}/oauth_callback`
  const client = { client_id: `service-${serviceName}`, redirect_uri: callback }

  return {
    authorizeUrl(state, verifier) {
      const challenge = createHash('sha256').update(verifier).digest('base64url')
      const query = new URLSearchParams({
        ...client,
        response_type: 'code',
        state,
        code_challenge: challenge,
        code_challenge_method: 'S256',
      })
      return `${hub}api/oauth2/authorize?${query}`
    },

    async redeem(code, verifier) {
      const form = {
        ...client,
        client_secret: apiToken,
        grant_type: 'authorization_code',
        code,
        code_verifier: verifier,
      }
      const answer = await askService(`${apiUrl}/oauth2/token`, { method: 'POST', form }, settings)
      const { status } = answer
      if (status >= 500 || (status >= 300 && status < 400)) throw unavailable(`status ${status}`)
      if (status !== 200) throw new RexecError('login_failed', 'The hub did not accept its own answer.')
      return readToken(answer)
    },

    logoutUrl: `${hub}logout`,
  }
}

function readToken(answer: Answer): { token: string; seconds: number | undefined } {
  const { access_token: token, expires_in: seconds } = objectOf(answer)
  if (typeof token !== 'string' || token === '') throw unavailable('the hub has given no token')
  return { token, seconds: Number.isInteger(seconds) ? (seconds as number) : undefined }
}
