import t from 'tap'
import { securityModel } from '../../support/security-model.ts'

const model = (pythons: object) => securityModel({ profiles: [{ name: 'default', pythons }] })

t.test('the version asked for decides the interpreter', async (t) => {
  const { model: several, grant } = model({ '3.9': '/opt/python3.9', '3.10': '/opt/python3.10' })
  t.match(several.approve(grant, { python: '3.9' }), { python: '3.9', interpreter: '/opt/python3.9' })
  t.throws(() => several.approve(grant, { python: '3.8' }), {
    code: 'python_not_allowed',
    detail: 'python: this profile offers 3.9, 3.10.',
  })
})

t.test('without a version there must be only one', async (t) => {
  const one = model({ '3.11': '/opt/python3.11' })
  t.equal(one.model.approve(one.grant, {}).python, '3.11')
  const two = model({ '3.10': 'a', '3.9': 'b' })
  t.throws(() => two.model.approve(two.grant, {}), {
    code: 'python_not_allowed',
    detail: 'python: name the version that you call from, of 3.9, 3.10.',
  })
  const none = model({})
  t.throws(() => none.model.approve(none.grant, {}), {
    code: 'python_not_allowed',
    detail: /offers no version/,
  })
})
