import { RexecError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import type { User } from '../pipeline.ts'
import { ask } from './ask.ts'
import { type Authenticator, isUserName, unavailable } from './authenticator.ts'
import type { JupyterhubSettings } from './settings.ts'

const NAME = 'jupyterhub'
/** How a hub says that it does not know a token: 403, never 401; 404 of one whose user is gone. */
const REFUSED = [401, 403, 404]

/** Tokens of a JupyterHub: the hub says whose they are and what they are good for (GET /user). */
export function createJupyterhub(settings: JupyterhubSettings, logger: Logger): Authenticator {
  const url = settings.apiUrl.replace(/\/+$/, '')
  const wanted = ['access:services', `access:services!service=${settings.serviceName}`]

  function read(text: string): User | undefined {
    const { kind, name, scopes, groups } = parseObject(text)
    if (kind !== 'user') throw new RexecError('token_wrong_kind')
    if (!isTexts(scopes) || !scopes.some((scope) => wanted.includes(scope)))
      throw new RexecError('scope_missing')
    if (!isUserName(name)) {
      logger.warn({ authenticator: NAME }, 'A token without a usable user name was refused.')
      return undefined
    }
    return { name, groups: isTexts(groups) ? groups : [], authenticator: NAME }
  }

  return {
    name: NAME,
    async authenticate({ token }) {
      const headers = { authorization: `Bearer ${token}` }
      const { status, text } = await ask(`${url}/user`, { method: 'GET', headers }, settings)
      if (REFUSED.includes(status)) return undefined
      if (status !== 200) throw unavailable(`status ${status}`)
      return read(text)
    },
    async check() {
      const { status } = await ask(`${url}/`, { method: 'GET' }, settings)
      if (status !== 200) throw unavailable(`status ${status}`)
    },
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string')
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {}
  throw unavailable('the answer is no JSON object')
}
