import t from 'tap'
import { errorTable, RexecError } from '../../common/errors.ts'
import { dataEvent, endEvent, errorEvent, errorEventOf, raisedEvent } from '../../common/events.ts'
import { unpickle } from '../support/unpickle.ts'

t.test('the clients read events as dicts with a type (C1)', async (t) => {
  const says = `${errorTable.no_server.says} [no_server]`
  const internal = `${errorTable.internal.says} [internal]`
  const cases: [Buffer, object][] = [
    [dataEvent('stdout', 'hello\n'), { type: 'DATA', channel: 'stdout', data: 'hello\n' }],
    [dataEvent('stderr', 'é'), { type: 'DATA', channel: 'stderr', data: 'é' }],
    [endEvent(), { type: 'END' }],
    [endEvent({ reason: 'asked' }), { type: 'END', cancelled: true, reason: 'asked' }],
    [errorEvent('no_server'), { type: 'ERROR', message: says, details: { code: 'no_server' } }],
    [
      errorEvent('no_server', 'It ended.', { traceback: 'File ...' }),
      { type: 'ERROR', message: `It ended. ${says}`, details: { code: 'no_server', traceback: 'File ...' } },
    ],
    [
      raisedEvent('ValueError: x', { traceback: 'y' }),
      { type: 'ERROR', message: 'ValueError: x', details: { traceback: 'y' } },
    ],
    [
      errorEventOf(new RexecError('no_server', 'It ended.')),
      { type: 'ERROR', message: `It ended. ${says}`, details: { code: 'no_server' } },
    ],
    [errorEventOf(new Error('hunter2')), { type: 'ERROR', message: internal, details: { code: 'internal' } }],
    [errorEventOf('hunter2'), { type: 'ERROR', message: internal, details: { code: 'internal' } }],
  ]
  for (const [event, expected] of cases) t.strictSame(await unpickle(event), expected)
})
