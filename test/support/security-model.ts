import { checkSettings } from '../../common/settings.ts'
import { createAuthorize } from '../../proxy/authorize.ts'
import type { Grant, User } from '../../proxy/pipeline.ts'
import { createSecurityModel, type SecurityModel } from '../../proxy/security-model/approve.ts'
import { SecurityModelSettings } from '../../proxy/security-model/settings.ts'

export const alice: User = { name: 'alice', groups: [], authenticator: 'static' }

/** Settings of the security model: the defaults but for what is given. */
export function securityModelSettings(given: object = {}): SecurityModelSettings {
  return checkSettings(SecurityModelSettings, given)
}

/** A security model, and what alice (or another user) is granted by it. */
export function securityModel(given: object = {}, user = alice): { model: SecurityModel; grant: Grant } {
  const settings = securityModelSettings(given)
  return { model: createSecurityModel(settings), grant: createAuthorize(settings)(user) }
}
