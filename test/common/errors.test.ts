import t from 'tap'
import { type ErrorCode, errorTable, RexecError, sentence } from '../../common/errors.ts'

t.test('every error has a status and a sentence that says what to do', async (t) => {
  for (const [code, { status, says }] of Object.entries(errorTable)) {
    t.match(code, /^[a-z]+(_[a-z]+)*$/)
    t.ok(status >= 400 && status < 600, `${code}: ${status}`)
    t.match(says, /^[A-Z].{20,}\.$/, code)
  }
})

t.test('a sentence holds the detail, the advice and the code to search for', async (t) => {
  const { says } = errorTable.name_invalid
  t.equal(sentence('name_invalid'), `${says} [name_invalid]`)
  const whole = sentence('name_invalid', 'It is long.')
  t.equal(whole, `It is long. ${says} [name_invalid]`)
  t.equal(sentence('name_invalid', whole), whole, 'and says it once')
})

t.test('an error carries what an answer needs', async (t) => {
  const cause = new Error('inside')
  const error = new RexecError('env_invalid', 'env, entry 1: no.', { cause })
  t.match(error, { name: 'RexecError', code: 'env_invalid', status: 400, detail: 'env, entry 1: no.', cause })
  t.match(error.message, /^env, entry 1: no\. .* \[env_invalid\]$/)
  t.ok(error instanceof Error)
  t.notOk('cause' in new RexecError('internal'))
})

t.test('what is away for a moment says when to come back', async (t) => {
  for (const [code, { status }] of Object.entries(errorTable)) {
    t.equal(new RexecError(code as ErrorCode).retryAfter, status === 503 ? 3 : undefined, code)
  }
  t.equal(new RexecError('too_many_requests', undefined, { retryAfter: 9 }).retryAfter, 9)
})
