import { RexecError } from '../common/errors.ts'
import type { Grant, User } from './pipeline.ts'
import { profilesOf } from './security-model/profiles.ts'
import type { SecurityModelSettings } from './security-model/settings.ts'

export type Authorize = (user: User) => Grant

/**
 * May this user use the service, and which profiles? Names of users and groups are compared without regard to case and
 * to a leading "/" of groups (Keycloak's full paths). Deny wins; without an allow list everybody known may.
 * @throws SettingsError when the profiles make no sense; the function returned throws not_allowed
 */
export function createAuthorize({ access, profiles: settings }: SecurityModelSettings): Authorize {
  const profiles = profilesOf(settings)
  const allowUsers = new Set(access.allowUsers.map(fold))
  const denyUsers = new Set(access.denyUsers.map(fold))
  const allowGroups = new Set(access.allowGroups.map(foldGroup))
  const denyGroups = new Set(access.denyGroups.map(foldGroup))
  const open = allowUsers.size === 0 && allowGroups.size === 0

  return (user) => {
    const groups = new Set(user.groups.map(foldGroup))
    const denied = denyUsers.has(fold(user.name)) || [...groups].some((group) => denyGroups.has(group))
    if (denied) throw new RexecError('not_allowed')
    const group = user.groups.find((group) => allowGroups.has(foldGroup(group)))
    if (!open && group === undefined && !allowUsers.has(fold(user.name))) throw new RexecError('not_allowed')
    return {
      user,
      profiles: profiles.filter(
        (profile) =>
          profile.groups.length === 0 || profile.groups.some((name) => groups.has(foldGroup(name))),
      ),
      group,
    }
  }
}

function fold(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

function foldGroup(name: string): string {
  return fold(name).replace(/^\/+/, '')
}
