import t from 'tap'
import { approveEnv } from '../../../proxy/security-model/env.ts'
import { securityModelSettings } from '../../support/security-model.ts'

const approve = (env: unknown, settings: object = {}) =>
  approveEnv(env, securityModelSettings({ env: settings }).env)

t.test('ordinary variables pass as they are', async (t) => {
  const env = { A: '', TOKEN_2: 'x y\n$HOME', _X: '\u{1F600}', OMP_NUM_THREADS: '4', PATHS: 'not PATH' }
  t.same(approve(env), env)
  t.same(approve(undefined), {})
})

t.test('reserved names are a setting', async (t) => {
  t.throws(() => approve({ PYTHONHASHSEED: '0' }), {
    code: 'env_invalid',
    detail: /begin with PYTHON are reserved/,
  })
  t.same(approve({ PYTHONHASHSEED: '0' }, { deniedPrefixes: [] }), { PYTHONHASHSEED: '0' })
  t.throws(() => approve({ AWS_KEY: 'x' }, { deniedPrefixes: ['AWS_'] }), { code: 'env_invalid' })
  t.throws(() => approve({ DEBUG: 'x' }, { deniedNames: ['DEBUG'] }), {
    code: 'env_invalid',
    detail: /DEBUG is reserved/,
  })
})

t.test('limits of count, length and size hold at their settings', async (t) => {
  const limits = { maxCount: 2, maxNameLength: 3, maxValueBytes: 4, maxTotalBytes: 13 }
  const full = { ABC: 'éé', DE: 'abcd' }
  t.same(approve(full, limits), full)
  t.throws(() => approve({ ...full, F: '' }, limits), {
    code: 'limit_exceeded',
    detail: /more than 2 variables/,
  })
  t.throws(() => approve({ ABCD: '' }, limits), {
    code: 'limit_exceeded',
    detail: /entry 1: the name has more than 3/,
  })
  t.throws(() => approve({ A: 'ééa' }, limits), {
    code: 'limit_exceeded',
    detail: /the value has more than 4 bytes/,
  })
  const over = { maxTotalBytes: 12 }
  t.same(approve({ ABC: 'abcd', DE: 'abc' }, over), { ABC: 'abcd', DE: 'abc' })
  t.throws(() => approve({ ABC: 'abcd', DE: 'abcd' }, over), {
    code: 'limit_exceeded',
    detail: /more than 12 bytes/,
  })
})

t.test('a secret on the wrong side is not repeated', async (t) => {
  const detail = (env: object) => {
    try {
      return String(approve(env))
    } catch (error) {
      return (error as Error).message
    }
  }
  t.notMatch(detail({ A: '1', 'hunter2-secret': 'KEY' }), /hunter2|KEY/)
  t.match(detail({ A: '1', 'hunter2-secret': 'KEY' }), /entry 2/)
  t.notMatch(detail({ LD_HUNTER2: 'hunter2' }), /hunter2/i)
  t.notMatch(detail({ KEY: 'hunter2\0' }), /hunter2/)
})
