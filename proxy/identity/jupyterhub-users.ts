import type { Logger } from '../../common/logger.ts'
import { unavailable } from './authenticator.ts'
import { type AskHub, textsOf } from './jupyterhub-api.ts'
import { Recent } from './recent.ts'
import type { JupyterhubSettings } from './settings.ts'

const SCOPE = 'list:users'
/** Asks for pages that say which is the next one. */
const PAGES = 'application/jupyterhub-pagination+json'
/** A hub gives this many at most unless told otherwise. */
const PAGE_USERS = 200
const MAX_USERS = 1_000_000
/** After a failure nothing is asked for this long, however many names are looked up. */
const PAUSE_SECONDS = 10
const MAX_ABSENT = 100_000

/**
 * Who is still there, from the hub's list of users. A user counts as gone only if neither the list nor the hub, asked for
 * this very name, knows it: while the list is read page by page, users who come and go move others from page to page.
 * Whoever may see a part of the users alone can tell nothing.
 */
export function createHubUsers(
  { apiToken: token, usersSeconds }: JupyterhubSettings,
  ask: AskHub,
  logger: Logger,
  now = () => performance.now(),
): (name: string, options?: { fresh?: boolean }) => Promise<boolean> {
  const absent = new Recent<true>({ seconds: usersSeconds, maxEntries: MAX_ABSENT, now })
  let list: { names: Promise<Set<string>>; until: number } | undefined
  let told = false

  async function requireScope(): Promise<void> {
    if (!token) throw unavailable('identity.jupyterhub.apiToken is not set')
    const { status, object } = await ask('/user', { token })
    if (status !== 200) throw unavailable(`the hub does not accept identity.jupyterhub.apiToken (${status})`)
    // One with a filter, such as list:users!group=lab, shows a part of the users.
    if (!textsOf(object().scopes).includes(SCOPE)) {
      throw unavailable(`the service has no role with the scope ${SCOPE} at the hub`)
    }
  }

  async function readList(): Promise<Set<string>> {
    await requireScope()
    const names = new Set<string>()
    for (let offset = 0; ; ) {
      const path = `/users?offset=${offset}&limit=${PAGE_USERS}`
      const { status, object } = await ask(path, { token: token!, accept: PAGES })
      if (status !== 200) throw unavailable(`status ${status} for the list of users`)
      const { items, _pagination: pagination } = object() as { items?: unknown; _pagination?: Pagination }
      if (!Array.isArray(items) || !pagination) throw unavailable('the list of users has no pages')
      for (const { name } of items as { name: string }[]) names.add(name)
      const next = pagination.next?.offset
      if (next === undefined) return names
      if (!(next > offset) || next > MAX_USERS) throw unavailable('the list of users has no end')
      offset = next
    }
  }

  function remembered(): Promise<Set<string>> {
    if (list && now() < list.until) return list.names
    const reading = readList()
    const own = { names: reading, until: Number.POSITIVE_INFINITY }
    list = own
    reading.then(
      () => {
        own.until = now() + usersSeconds * 1000
        told = false
      },
      (error: Error) => {
        own.until = now() + PAUSE_SECONDS * 1000
        if (!told) logger.warn({ reason: reasonOf(error) }, 'Vanished users are not noticed.')
        told = true
      },
    )
    return reading
  }

  async function isThere(name: string): Promise<boolean> {
    // In a URL it would mean another path.
    if (/^\.+$/.test(name)) throw unavailable('the hub cannot be asked for this name')
    await requireScope()
    const { status, object } = await ask(`/users/${encodeURIComponent(name)}`, { token: token! })
    const answer = object()
    if (status === 200 && answer.name === name) return true
    // The hub's own answer, rather than that of something before it.
    if (status === 404 && answer.status === 404) return false
    throw unavailable(`status ${status} for a user`)
  }

  return async (name, { fresh = false } = {}) => {
    if (!fresh) {
      if ((await remembered()).has(name)) return true
      if (absent.get(name)) return false
    }
    const known = await isThere(name)
    if (known) absent.delete(name)
    else absent.set(name, true)
    return known
  }
}

interface Pagination {
  next?: { offset: number } | null
}

function reasonOf({ cause }: Error): string | undefined {
  return cause instanceof Error ? cause.message : undefined
}
