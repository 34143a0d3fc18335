import t from 'tap'
import { exitFailure, failureEvent, knownCode } from '../../server/failure.ts'

t.test('how a process ended, in words', async (t) => {
  t.match(exitFailure({ pid: 1, code: 0 }), ['worker_died', /exit code 0/])
  t.match(exitFailure({ pid: 1, code: -11 }), ['worker_died', /SIGSEGV/])
  t.match(exitFailure({ pid: 1, code: -9 }), ['worker_died', /SIGKILL, perhaps because memory/])
  t.match(exitFailure({ pid: 1, code: -9, oom: true }), ['out_of_memory', /kernel/])
  t.match(exitFailure({ pid: 1, code: -64 }), ['worker_died', /signal 64/])
  t.match(exitFailure({ pid: 0, code: 0, reason: 'no more processes' }), ['worker_died', /no more processes/])
})

t.test('a code that the worker makes up is internal', async (t) => {
  t.equal(knownCode('toString'), 'internal')
  t.equal(knownCode(null), 'internal')
  t.equal(knownCode('out_of_memory'), 'out_of_memory')
  t.match(String(failureEvent({ code: 'nonsense', detail: 'x' })), '[internal]')
})

t.test('an exception of the function carries no code, only its own words', async (t) => {
  const event = String(
    failureEvent({ code: null, detail: 'ValueError: bad x', details: { traceback: 'tb' } }),
  )
  t.match(event, 'ValueError: bad x')
  t.notMatch(event, '[')
})
