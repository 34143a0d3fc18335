import t from 'tap'
import { createAuthorize } from '../../proxy/authorize.ts'
import type { User } from '../../proxy/pipeline.ts'
import { securityModelSettings } from '../support/security-model.ts'

const user = (name: string, ...groups: string[]): User => ({ name, groups, authenticator: 'static' })
const authorize = (access: object, profiles: object[] = [{ name: 'default' }]) =>
  createAuthorize(securityModelSettings({ access, profiles }))
const REFUSED = { code: 'not_allowed', status: 403 }

t.test('without lists everybody known may', async (t) => {
  t.match(authorize({})(user('alice', 'a')), { user: { name: 'alice' }, group: undefined })
})

t.test('an allow list lets in its users and members of its groups, and nobody else', async (t) => {
  const may = authorize({ allowUsers: ['Alice'], allowGroups: ['/Org/Staff'] })
  t.equal(may(user('ALICE')).user.name, 'ALICE', 'the name stays as it was proven')
  t.equal(may(user('bob', 'x', 'org/staff')).group, 'org/staff')
  t.equal(may(user('bob', '/org/STAFF')).group, '/org/STAFF')
  for (const other of [
    user('bob'),
    user('bob', 'staff'),
    user('staff'),
    user('bob', 'alice'),
    user('alice2'),
  ]) {
    t.throws(() => may(other), REFUSED, `${other.name} in ${other.groups}`)
  }
  t.throws(() => authorize({ allowGroups: ['staff'] })(user('bob', '')), REFUSED)
})

t.test('deny wins over every allow', async (t) => {
  const may = authorize({
    allowUsers: ['alice', 'bob'],
    allowGroups: ['staff'],
    denyUsers: ['BOB'],
    denyGroups: ['/banned'],
  })
  t.ok(may(user('alice', 'staff')))
  t.throws(() => may(user('Bob', 'staff')), REFUSED)
  t.throws(() => may(user('alice', 'staff', 'Banned')), REFUSED)
  t.throws(() => authorize({ denyUsers: ['bob'] })(user('bob')), REFUSED, 'also without an allow list')
})

t.test('one name in two Unicode spellings is one name', async (t) => {
  t.throws(() => authorize({ denyUsers: ['Ren\u00e9'] })(user('rene\u0301')), REFUSED)
})

t.test('a list entry that would be empty is a mistake', async (t) => {
  for (const entry of ['', '/', '//'])
    t.throws(() => authorize({ allowGroups: [entry] }), { name: 'SettingsError' })
})

t.test("a grant holds the profiles of everybody and of the user's groups, in their order", async (t) => {
  const may = authorize({}, [{ name: 'gpu', groups: ['/GPU', 'admins'] }, { name: 'default' }])
  const names = (user: User) => may(user).profiles.map(({ name }) => name)
  t.same(names(user('alice', 'gpu')), ['gpu', 'default'])
  t.same(names(user('alice', '/admins')), ['gpu', 'default'])
  t.same(names(user('alice', 'gpus')), ['default'])
})
