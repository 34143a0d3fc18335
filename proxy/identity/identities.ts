import { createHash } from 'node:crypto'
import { RexecError } from '../../common/errors.ts'
import type { Logger } from '../../common/logger.ts'
import { Counter, type Registry } from '../../common/metrics.ts'
import { SettingsError } from '../../common/settings.ts'
import type { User } from '../pipeline.ts'
import type { Authenticator } from './authenticator.ts'
import { askChain, asUnavailable, isVerdict } from './chain.ts'
import { createIdentityApi } from './identity-api.ts'
import { createJupyterhub } from './jupyterhub.ts'
import { createKubernetes, type ReviewToken } from './kubernetes.ts'
import { Recent } from './recent.ts'
import type { IdentitySettings } from './settings.ts'
import { createStatic } from './static.ts'
import { checkForm } from './token-form.ts'

export interface Identities {
  /**
   * Whose token is it? `fresh` asks the authenticators even if the answer is remembered: for what outlives the answer,
   * such as a server or a token.
   * @throws token_missing, token_invalid, token_wrong_kind, scope_missing, not_allowed, identity_unavailable
   */
  authenticate(token: string, options?: { fresh?: boolean; cookie?: string }): Promise<User>
  /** Whether anybody could be proven now. @throws identity_unavailable */
  check(): Promise<void>
  /**
   * Whether there is a user of this exact name. False only when every authenticator says so; undefined when one of
   * them cannot tell, now or at all. `fresh` asks even if the answer is remembered: before something is taken away.
   */
  knows(name: string, options?: { fresh?: boolean }): Promise<boolean | undefined>
}

interface Means {
  logger: Logger
  /** For the authenticator "kubernetes"; there where servers run on Kubernetes. */
  reviewToken?: ReviewToken | undefined
}

/** The authenticators there are. */
const AUTHENTICATORS: Record<
  IdentitySettings['authenticators'][number],
  (settings: IdentitySettings, means: Means) => Authenticator
> = {
  jupyterhub: ({ jupyterhub }, { logger }) => createJupyterhub(section(jupyterhub, 'jupyterhub'), logger),
  'identity-api': ({ identityApi }, { logger }) =>
    createIdentityApi(section(identityApi, 'identityApi'), logger),
  kubernetes: ({ kubernetes }, { logger, reviewToken }) => createKubernetes(kubernetes, logger, reviewToken),
  static: ({ static: users }, { logger }) => createStatic(section(users, 'static'), logger),
}

/** @throws SettingsError when an authenticator's section is missing or makes no sense */
export function createIdentities(
  settings: IdentitySettings,
  {
    logger,
    registry,
    reviewToken,
    now = () => performance.now(),
  }: Means & { registry: Registry; now?: () => number },
): Identities {
  const authenticators = settings.authenticators.map((name) =>
    AUTHENTICATORS[name](settings, { logger, reviewToken }),
  )
  const maxEntries = settings.cacheEntries
  const proven = new Recent<User>({ seconds: settings.cacheSeconds, maxEntries, now })
  const refused = new Recent<RexecError>({ seconds: settings.refusedCacheSeconds, maxEntries, now })
  const underWay = new Map<string, Promise<User>>()
  const checks = new Counter({
    name: 'rexec_identity_checks_total',
    help: 'Tokens shown to an authenticator',
    labelNames: ['authenticator', 'outcome'],
    registers: [registry],
  })
  const remembered = new Counter({
    name: 'rexec_identity_cache_total',
    help: 'Tokens looked up among the remembered ones: proven, refused, joined (a check under way) or missed',
    labelNames: ['result'],
    registers: [registry],
  })

  async function check(key: string, proof: { token: string; cookie: string | undefined }): Promise<User> {
    try {
      const user = await askChain(authenticators, proof, { logger, checks })
      refused.delete(key)
      proven.set(key, user)
      return user
    } catch (error) {
      if (isVerdict(error) || (error instanceof RexecError && error.code === 'token_invalid')) {
        proven.delete(key)
        refused.set(key, error)
      }
      throw error
    } finally {
      underWay.delete(key)
    }
  }

  return {
    async authenticate(token, { fresh = false, cookie } = {}) {
      checkForm({ token, cookie }, settings.maxTokenLength)
      const key = createHash('sha256')
        .update(`${token}\n${cookie ?? ''}`)
        .digest('base64')
      const refusal = refused.get(key)
      if (refusal) {
        remembered.inc({ result: 'refused' })
        throw refusal
      }
      const user = fresh ? undefined : proven.get(key)
      if (user) {
        remembered.inc({ result: 'proven' })
        return user
      }
      const running = underWay.get(key)
      remembered.inc({ result: running ? 'joined' : 'missed' })
      if (running) return running
      if (underWay.size >= settings.maxChecks) {
        throw new RexecError('identity_unavailable', 'Too many tokens are being checked at once.')
      }
      const answer = check(key, { token, cookie })
      underWay.set(key, answer)
      return answer
    },

    async check() {
      const results = await Promise.allSettled(authenticators.map((authenticator) => authenticator.check()))
      const failures = results.filter((result) => result.status === 'rejected')
      if (failures.length === authenticators.length) throw asUnavailable(failures[0]!.reason)
    },

    async knows(name, options) {
      const answers = await Promise.all(
        authenticators.map((authenticator) => authenticator.knows?.(name, options).catch(() => undefined)),
      )
      if (answers.includes(true)) return true
      return answers.includes(undefined) ? undefined : false
    },
  }
}

function section<T>(settings: T | undefined, name: string): T {
  if (settings) return settings
  throw new SettingsError([`identity.${name}: required, since identity.authenticators names it`])
}
