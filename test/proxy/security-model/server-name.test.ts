import t from 'tap'
import { approveServerName } from '../../../proxy/security-model/server-name.ts'

t.test('names that may be part of an object name', async (t) => {
  t.equal(approveServerName(undefined, 30), 'default')
  for (const name of ['a', '0', 'my-server', 'a--b', 'a'.repeat(30)])
    t.equal(approveServerName(name, 30), name)
})

t.test('the length is a setting', async (t) => {
  t.equal(approveServerName('abcde', 5), 'abcde')
  t.throws(() => approveServerName('abcdef', 5), { code: 'name_invalid', detail: /1 to 5 characters/ })
})
