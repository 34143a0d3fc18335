import t from 'tap'
import { SettingsError } from '../../../common/settings.ts'
import { createStatic } from '../../../proxy/identity/static.ts'
import { keptLog } from '../../support/log.ts'

const users = [
  { name: 'alice', token: 'alices-token', groups: ['staff'] },
  { name: 'bob', token: 'bobs-long-token', groups: [] },
]

t.test('a token proves its user and nobody else', async (t) => {
  const authenticator = createStatic({ users }, keptLog().logger)
  t.same(await authenticator.authenticate({ token: 'alices-token' }), {
    name: 'alice',
    groups: ['staff'],
    authenticator: 'static',
  })
  t.match(await authenticator.authenticate({ token: 'bobs-long-token' }), { name: 'bob' })
  for (const token of ['alices-toke', 'alices-token ', 'ALICES-TOKEN', 'alice', 'x'.repeat(8000)]) {
    t.equal(await authenticator.authenticate({ token }), undefined, token.slice(0, 20))
  }
  await authenticator.check()
})

t.test('it knows its users without a token, by their exact names', async (t) => {
  const authenticator = createStatic({ users }, keptLog().logger)
  t.equal(await authenticator.knows!('alice'), true)
  for (const name of ['Alice', 'alic', '', 'staff', 'alices-token']) {
    t.equal(await authenticator.knows!(name), false, name)
  }
})

t.test('the log warns, and names no token', async (t) => {
  const log = keptLog()
  createStatic({ users }, log.logger)
  t.match(log.lines, [{ level: 'warn', msg: /Never use it in production/ }])
  t.notMatch(log.text(), /alices-token|bobs-long-token/)
})

t.test('two users with one name or one token are a mistake', async (t) => {
  const twice = (change: object) => () =>
    createStatic({ users: [users[0]!, { ...users[1]!, ...change }] }, keptLog().logger)
  t.throws(twice({ token: 'alices-token' }), SettingsError)
  t.throws(twice({ name: 'alice' }), SettingsError)
})
