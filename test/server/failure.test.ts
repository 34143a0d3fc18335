import t from 'tap'
import { exitFailure, failureEvent, knownCode, stillbornFailure } from '../../server/failure.ts'

t.test('how a process ended, in words', async (t) => {
  t.match(exitFailure({ pid: 1, code: 0 }), ['worker_died', /exit code 0/])
  t.match(exitFailure({ pid: 1, code: -11 }), ['worker_died', /SIGSEGV/])
  t.match(exitFailure({ pid: 1, code: -9 }), ['worker_died', /SIGKILL, perhaps because memory/])
  t.match(exitFailure({ pid: 1, code: -9, oom: true }), ['out_of_memory', /out of memory\.$/])
  for (const [limit, words] of [
    [1024 ** 3, '1 GiB'],
    [1.5 * 1024 ** 3, '1.5 GiB'],
    [300 * 1024 ** 2, '300 MiB'],
    [1000, '1000 bytes'],
  ] as const)
    t.match(exitFailure({ pid: 1, code: -9, oom: true, limit }), [
      'out_of_memory',
      `out of memory (limit ${words})`,
    ])
  t.match(exitFailure({ pid: 1, code: -64 }), ['worker_died', /signal 64/])
  t.match(exitFailure({ pid: 0, code: 0, reason: 'no more processes' }), [
    'process_limit',
    /no more processes/,
  ])
  t.match(stillbornFailure({ pid: 0, code: 0, reason: 'no more processes' }), [
    'process_limit',
    /no more processes/,
  ])
  t.match(stillbornFailure({ pid: 1, code: -9, oom: true }), ['out_of_memory', /out of memory/])
  t.match(stillbornFailure({ pid: 1, code: 1 }), ['worker_died', /No process could be made ready \(code 1\)/])
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
