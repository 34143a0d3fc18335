import { createHash, timingSafeEqual } from 'node:crypto'
import type { Logger } from '../../common/logger.ts'
import { SettingsError } from '../../common/settings.ts'
import type { Authenticator } from './authenticator.ts'
import type { StaticSettings } from './settings.ts'

/** Fixed tokens: for trying out and for tests. @throws SettingsError when a name or a token is there twice */
export function createStatic({ users }: StaticSettings, logger: Logger): Authenticator {
  const known = users.map(({ name, groups, token }) => ({
    user: { name, groups, authenticator: 'static' },
    hash: sha256(token),
  }))
  for (const field of ['name', 'token'] as const) {
    if (new Set(users.map((user) => user[field])).size < users.length) {
      throw new SettingsError([`identity.static.users: two users have the same ${field}`])
    }
  }
  logger.warn(
    'The static authenticator is on: whoever has one of its fixed tokens is that user. Never use it in production.',
  )
  return {
    name: 'static',
    async authenticate({ token }) {
      const hash = sha256(token)
      // All are compared, so that the time says nothing about which one it was.
      return known.filter((entry) => timingSafeEqual(entry.hash, hash))[0]?.user
    },
    async check() {},
    async knows(name) {
      return users.some((user) => user.name === name)
    },
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
