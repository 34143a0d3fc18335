import type { Answer, Question } from '../../common/ask.ts'
import type { Logger } from '../../common/logger.ts'
import { SettingsError } from '../../common/settings.ts'
import type { User } from '../pipeline.ts'
import { askService, objectOf } from './ask.ts'
import { type Authenticator, isUserName, unavailable } from './authenticator.ts'
import type { IdentityApiSettings } from './settings.ts'

const NAME = 'identity-api'
const REFUSED = [401, 403]
const QUESTIONS = {
  get: (token: string): Question => ({ method: 'GET', headers: { authorization: `Bearer ${token}` } }),
  post: (token: string): Question => ({ method: 'POST', json: { token } }),
}

type Method = keyof typeof QUESTIONS
type Outcome = User | 'refused' | 'unsupported'

/**
 * An HTTP service that says whose token it is, as the Rexec deployment API asks it (AUTH_API_URL): its guide shows GET
 * with a bearer header, its code sends POST {"token"}. An answer of 200 proves the token if it names the user.
 * @throws SettingsError when the URL would carry tokens in clear
 */
export function createIdentityApi(settings: IdentityApiSettings, logger: Logger): Authenticator {
  const { url, namePrefix, nameClaim, groupsClaim } = settings
  checkUrl(settings)
  /** With `auto`: the method that has proven a token. */
  let method: Method | undefined = settings.method === 'auto' ? undefined : settings.method

  async function show(token: string, method: Method): Promise<Outcome> {
    const answer = await askService(url, QUESTIONS[method](token), settings)
    const { status } = answer
    if (REFUSED.includes(status)) return 'refused'
    // Such as 405 or 422: the service may take the other method.
    if (status >= 300 && status < 500) return 'unsupported'
    if (status !== 200) throw unavailable(`status ${status}`)
    return read(answer)
  }

  function read(answer: Answer): User | 'refused' {
    const claims = objectOf(answer)
    // "error" is how the Rexec identity service refuses with status 200, "active" how RFC 7662 does.
    if (Object.hasOwn(claims, 'error') || claims.active === false) return 'refused'
    const name = Object.hasOwn(claims, nameClaim) ? claims[nameClaim] : undefined
    if (!isUserName(name) || !isUserName(namePrefix + name)) {
      logger.warn(
        { authenticator: NAME, claim: nameClaim },
        'An answer of 200 without a usable user name was refused.',
      )
      return 'refused'
    }
    return { name: namePrefix + name, groups: readGroups(claims[groupsClaim]), authenticator: NAME }
  }

  return {
    name: NAME,
    async authenticate({ token }) {
      const refusals = new Set<Outcome>()
      for (const candidate of method ? [method] : (['get', 'post'] as const)) {
        const outcome = await show(token, candidate)
        if (typeof outcome === 'object') {
          method = candidate
          return outcome
        }
        refusals.add(outcome)
      }
      if (!refusals.has('refused'))
        throw unavailable('the service does not support the way the token was shown')
      return undefined
    },
    async check() {
      const { status } = await askService(url, { method: 'GET' }, settings)
      if (status >= 500 || (status >= 300 && status < 400)) throw unavailable(`status ${status}`)
    },
  }
}

function checkUrl({ url, allowHttp }: IdentityApiSettings): void {
  const parsed = URL.parse(url)
  if (!parsed) throw new SettingsError(['identity.identityApi.url: not a URL'])
  const { protocol, hostname, username, password } = parsed
  if (username || password)
    throw new SettingsError(['identity.identityApi.url: must not hold a user or password'])
  const isLoopback = /^(localhost|127(\.[0-9]+){3}|\[::1\])$/.test(hostname)
  if (protocol !== 'https:' && !isLoopback && !allowHttp) {
    throw new SettingsError([
      'identity.identityApi.url: must be https (or set identity.identityApi.allowHttp)',
    ])
  }
}

/** Groups are texts or objects; a group without path and name cannot be meant by any rule. */
function readGroups(groups: unknown): string[] {
  if (groups === undefined || groups === null) return []
  if (!Array.isArray(groups)) throw unavailable('the groups are no list')
  return groups
    .map((group: unknown) => (typeof group === 'object' && group !== null ? pathOrName(group) : group))
    .filter((group): group is string => typeof group === 'string' && group !== '')
}

function pathOrName({ path, name }: { path?: unknown; name?: unknown }): unknown {
  return path || name
}
