import t from 'tap'
import { checkSettings } from '../../../common/settings.ts'
import { unavailable } from '../../../proxy/identity/authenticator.ts'
import type { AskHub } from '../../../proxy/identity/jupyterhub-api.ts'
import { createHubUsers } from '../../../proxy/identity/jupyterhub-users.ts'
import { JupyterhubSettings } from '../../../proxy/identity/settings.ts'
import { keptLog } from '../../support/log.ts'

type Answers = (path: string) => { status?: number; object?: unknown } | undefined

/** A hub's API in memory with these users, 200 a page, which `special` answers otherwise. */
function fakeHub(users: string[], special: Answers = () => undefined) {
  const asked: string[] = []
  const scopes = ['list:users']
  const ask: AskHub = async (path, { token } = {}) => {
    asked.push(path)
    const answer = (object: unknown, status = 200) => ({
      status,
      object: () => object as Record<string, unknown>,
    })
    const other = special(path)
    if (other) return answer(other.object ?? {}, other.status)
    if (token !== 'own-token-0123456789') return answer({ status: 403 }, 403)
    if (path === '/user') return answer({ kind: 'service', scopes })
    const offset = /^\/users\?offset=(\d+)&limit=200$/.exec(path)?.[1]
    if (offset !== undefined) {
      const end = Number(offset) + 200
      const next = end < users.length ? { offset: end, limit: 200 } : null
      return answer({
        items: users.slice(Number(offset), end).map((name) => ({ name })),
        _pagination: { total: users.length, next },
      })
    }
    const name = decodeURIComponent(path.replace('/users/', ''))
    return users.includes(name) ? answer({ name }) : answer({ status: 404, message: 'Not Found' }, 404)
  }
  return { ask, asked, scopes, users }
}

function usersOf(hub: { ask: AskHub }, given: object = {}) {
  const log = keptLog()
  const clock = { milliseconds: 0 }
  const settings = { apiUrl: 'http://hub:8081/hub/api', apiToken: 'own-token-0123456789', ...given }
  const checked = checkSettings(JupyterhubSettings, settings)
  const knows = createHubUsers(checked, hub.ask, log.logger, () => clock.milliseconds)
  return { knows, log, clock }
}

const many = Array.from({ length: 450 }, (_, i) => `user-${i}`)
const unable = { code: 'identity_unavailable' }

t.test('all pages are read, once for usersSeconds', async (t) => {
  const hub = fakeHub(many)
  const { knows, clock } = usersOf(hub)
  t.same(await Promise.all(['user-0', 'user-200', 'user-449'].map((name) => knows(name))), [true, true, true])
  t.same(hub.asked, [
    '/user',
    '/users?offset=0&limit=200',
    '/users?offset=200&limit=200',
    '/users?offset=400&limit=200',
  ])
  clock.milliseconds = 299_999
  await knows('user-7')
  t.equal(hub.asked.length, 4)
  clock.milliseconds = 300_000
  await knows('user-7')
  t.equal(hub.asked.length, 8)
})

t.test('somebody who slips from page to page while they are read is not gone', async (t) => {
  const hub = fakeHub([...many], (path) => {
    // user-0 is deleted between the first page and the second, so user-200 is on neither.
    if (path.includes('offset=200')) hub.users.splice(0, 1)
    return undefined
  })
  const { knows } = usersOf(hub)
  t.equal(await knows('user-200'), true)
  t.ok(hub.asked.includes('/users/user-200'), 'the hub was asked for the very name')
})

t.test(
  'who is in no list and unknown to the hub is gone, which is remembered unless asked freshly',
  async (t) => {
    const hub = fakeHub(['alice'])
    const { knows } = usersOf(hub)
    t.equal(await knows('bob'), false)
    const before = hub.asked.length
    t.equal(await knows('bob'), false)
    t.equal(hub.asked.length, before)
    hub.users.push('bob')
    t.equal(await knows('bob', { fresh: true }), true, 'bob is back')
    t.equal(await knows('bob'), true, 'and no longer remembered as gone')
    hub.users.length = 0
    t.equal(await knows('alice'), true, 'from the list')
    t.equal(await knows('alice', { fresh: true }), false)
  },
)

t.test('names reach the hub as they are, and never as another path', async (t) => {
  const names = ['a/b', 'a%2Fb', 'ä ö', 'a?b#c', '../admin', 'a@b+c', '…']
  const hub = fakeHub([...names])
  const { knows } = usersOf(hub)
  for (const name of names) t.equal(await knows(name, { fresh: true }), true, name)
  for (const name of ['.', '..'])
    await t.rejects(knows(name), unable, `"${name}" would ask for something else`)
  t.notOk(hub.asked.some((path) => /\/\.\.?(\/|$)/.test(path)))
})

t.test('an answer about somebody else says nothing', async (t) => {
  const hub = fakeHub(['alice'], (path) =>
    path === '/users/Alice' ? { object: { name: 'alice' } } : undefined,
  )
  const { knows } = usersOf(hub)
  await t.rejects(knows('Alice'), unable, 'a database that does not tell a from A')
})

t.test('a 404 that is not that of the hub says nothing', async (t) => {
  const hub = fakeHub(['alice'], (path) => (path === '/users/bob' ? { status: 404, object: {} } : undefined))
  await t.rejects(usersOf(hub).knows('bob'), unable)
})

t.test('whoever sees a part of the users alone can tell nothing', async (t) => {
  for (const scopes of [[], ['list:users!group=lab'], ['list:users!user=alice'], ['read:users:name']]) {
    const hub = fakeHub(['alice'])
    hub.scopes.splice(0, 1, ...scopes)
    const { knows, log } = usersOf(hub)
    await t.rejects(knows('bob'), unable)
    await t.rejects(knows('bob', { fresh: true }), unable)
    t.match(log.lines, [{ level: 'warn', reason: /no role with the scope list:users/ }])
    t.same(new Set(hub.asked), new Set(['/user']), 'and nothing else was asked')
  }
})

t.test(
  'when the list cannot be had nobody is gone, it is said once, and the hub is left in peace',
  async (t) => {
    const broken: [string, Answers][] = [
      ['403', (path) => (path.startsWith('/users?') ? { status: 403 } : undefined)],
      ['500 for the third page', (path) => (path.includes('offset=400') ? { status: 500 } : undefined)],
      [
        'a list without pages',
        (path) => (path.startsWith('/users?') ? { object: [{ name: 'alice' }] } : undefined),
      ],
      [
        'users without names',
        (path) => (path.startsWith('/users?') ? { object: { items: [null], _pagination: {} } } : undefined),
      ],
      [
        'a page that leads to itself',
        (path) =>
          path.startsWith('/users?')
            ? { object: { items: [], _pagination: { next: { offset: 0 } } } }
            : undefined,
      ],
      [
        'pages without end',
        (path) =>
          path.startsWith('/users?')
            ? { object: { items: [], _pagination: { next: { offset: 1_000_001 } } } }
            : undefined,
      ],
      [
        'no answer',
        () => {
          throw unavailable('no answer: ECONNREFUSED')
        },
      ],
      ['a revoked token of our own', (path) => (path === '/user' ? { status: 403 } : undefined)],
    ]
    for (const [title, special] of broken) {
      const hub = fakeHub(many, special)
      const { knows, log, clock } = usersOf(hub)
      await t.rejects(knows('bob'), title)
      const before = hub.asked.length
      await t.rejects(knows('alice'))
      t.equal(hub.asked.length, before, `${title}: not asked again at once`)
      clock.milliseconds = 10_000
      await t.rejects(knows('bob'))
      t.ok(hub.asked.length > before, `${title}: asked again later`)
      t.match(log.lines, [{ level: 'warn', msg: 'Vanished users are not noticed.' }])
      t.equal(log.lines.length, 1, `${title}: said once`)
    }
  },
)

t.test('without a token of our own nothing is asked', async (t) => {
  const hub = fakeHub(['alice'])
  const { knows, log } = usersOf(hub, { apiToken: undefined })
  await t.rejects(knows('alice'), unable)
  await t.rejects(knows('alice', { fresh: true }), unable)
  t.same(hub.asked, [])
  t.match(log.lines, [{ reason: /apiToken is not set/ }])
})
