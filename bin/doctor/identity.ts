import { createLogger } from '../../common/logger.ts'
import { createIdentityApi } from '../../proxy/identity/identity-api.ts'
import type { IdentitySettings } from '../../proxy/identity/settings.ts'
import { type Check, ok } from './check.ts'

/** The authenticator "identity-api": whether its service answers. What it says of a token only its users can try. */
export function identityApiChecks({ authenticators, identityApi }: IdentitySettings): Check[] {
  if (!authenticators.includes('identity-api') || !identityApi) return []
  return [
    {
      group: 'identity',
      name: 'identity-api',
      todo: 'Is identity.identityApi.url right as the proxy sees it? In the chart, proxy.networkPolicy.egress must let it out.',
      async run() {
        await createIdentityApi(identityApi, createLogger('doctor', { level: 'silent' })).check()
        return ok(`the identity service answers at ${identityApi.url}`)
      },
    },
  ]
}
