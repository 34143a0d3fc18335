import { RexecError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { User } from '../pipeline.ts'
import { type Authenticator, isUserName, unavailable } from './authenticator.ts'
import { createAskHub, textsOf } from './jupyterhub-api.ts'
import { createHubUsers } from './jupyterhub-users.ts'
import type { JupyterhubSettings } from './settings.ts'

const NAME = 'jupyterhub'
/** A hub answers 403 for a token that it does not know, and never 401, which something before it may. */
const UNKNOWN = [401, 403]

/**
 * Tokens of a JupyterHub, which says whose they are and what they may be used for: users' own, those of their servers,
 * and those that a browser's login has brought.
 */
export function createJupyterhub(settings: JupyterhubSettings, logger: Logger): Authenticator {
  const { apiToken, serviceName } = settings
  const ask = createAskHub(settings)
  const wanted = ['access:services', `access:services!service=${serviceName}`]
  const log = logger.child({ authenticator: NAME })
  /** What is wrong with our own token, so that the log says it once. */
  let wrong: string | undefined

  function read({ kind, name, scopes, groups }: Record<string, unknown>): User {
    if (kind !== 'user') throw new RexecError('token_wrong_kind')
    if (!textsOf(scopes).some((scope) => wanted.includes(scope))) {
      throw new RexecError('scope_missing', `The scope "access:services!service=${serviceName}" is missing.`)
    }
    if (isUserName(name)) return { name, groups: textsOf(groups), authenticator: NAME }
    log.warn('A user whose name has control or invisible characters, or too many, was refused.')
    throw new RexecError('not_allowed', 'Your user name has characters that cannot be used here.')
  }

  async function checkOwnToken(token: string): Promise<void> {
    const { status, object } = await ask('/user', { token })
    if (status !== 200 && !UNKNOWN.includes(status)) throw unavailable(`status ${status}`)
    const { kind, name } = status === 200 ? object() : {}
    const before = wrong
    wrong = undefined
    if (status !== 200) wrong = 'the hub does not know it: it must be the api_token of the service there'
    else if (kind !== 'service' || name !== serviceName)
      wrong = `it is not that of the service ${serviceName}`
    if (wrong && wrong !== before) {
      log.error(
        { setting: 'identity.jupyterhub.apiToken', reason: wrong },
        'Browsers cannot log in, and vanished users are not noticed.',
      )
    }
  }

  return {
    name: NAME,
    async authenticate({ token, cookie }) {
      const { status, object } = await ask('/user', { token })
      if (UNKNOWN.includes(status)) return undefined
      // 404 as well: then apiUrl is not that of a hub, which says nothing about the token.
      if (status !== 200) throw unavailable(`status ${status}`)
      const answer = object()
      // Of another login than the browser's: another page of its host may have put it there.
      const { session_id: login } = answer
      if (cookie && typeof login === 'string' && login !== cookie) return undefined
      return read(answer)
    },
    async check() {
      const { status, object } = await ask('/')
      if (status !== 200 || typeof object().version !== 'string') {
        throw unavailable(`identity.jupyterhub.apiUrl does not lead to the API of a hub (status ${status})`)
      }
      // Tokens can be checked without it, so being ready does not depend on it.
      if (apiToken) await checkOwnToken(apiToken)
    },
    knows: createHubUsers(settings, ask, log),
  }
}
