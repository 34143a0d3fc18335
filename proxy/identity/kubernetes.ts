import type { Logger } from '../../common/logger.ts'
import { SettingsError } from '../../common/settings.ts'
import { type Authenticator, isUserName, unavailable } from './authenticator.ts'
import type { KubernetesIdentitySettings } from './settings.ts'

const NAME = 'kubernetes'
/** What the API server calls whoever has shown nothing. */
const ANONYMOUS = { user: 'system:anonymous', group: 'system:unauthenticated' }

/**
 * Asks the API server whose token it is (TokenReview). Undefined for a token that it does not know, or that was made for
 * none of the audiences; rejects when it cannot tell.
 */
export type ReviewToken = (
  token: string,
  audiences: readonly string[],
) => Promise<{ name: string; groups: string[] } | undefined>

/**
 * Tokens that the API server knows: of service accounts, and of people where it trusts an identity provider. A service
 * account is a user like any other, called system:serviceaccount:NAMESPACE:NAME.
 * @throws SettingsError when there is no API server to ask
 */
export function createKubernetes(
  { audiences, namePrefix }: KubernetesIdentitySettings,
  logger: Logger,
  reviewToken: ReviewToken | undefined,
): Authenticator {
  if (!reviewToken) {
    throw new SettingsError(['identity.authenticators: kubernetes needs cluster.kind: kubernetes'])
  }
  const review = (token: string) =>
    reviewToken(token, audiences).catch((error: Error) => {
      throw unavailable(error.message)
    })
  return {
    name: NAME,
    async authenticate({ token }) {
      const answer = await review(token)
      if (!answer) return undefined
      const name = namePrefix + answer.name
      const isNobody = answer.name === ANONYMOUS.user || answer.groups.includes(ANONYMOUS.group)
      if (isNobody || !isUserName(answer.name) || !isUserName(name)) {
        logger.warn({ authenticator: NAME }, 'A token without a usable user name was refused.')
        return undefined
      }
      return { name, groups: answer.groups, authenticator: NAME }
    },
    async check() {
      // Nobody's token: the answer is what counts, "no" as well.
      await review('none')
    },
  }
}
