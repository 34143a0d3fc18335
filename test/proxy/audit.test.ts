import t from 'tap'
import { RexecError } from '../../common/errors.ts'
import { audited } from '../../proxy/audit.ts'

t.test('an act leaves one line, whether it is done, refused or fails', async (t) => {
  const lines: unknown[] = []
  const log = { info: (line: unknown) => void lines.push(line) } as Parameters<typeof audited>[0]
  const act = () => ({ action: 'server.start' as const, user: 'alice' })
  await audited(log, act(), async (act) => {
    act.server = 'default'
    return { outcome: 'started' }
  })
  const refusal = new RexecError('server_differs')
  await t.rejects(
    audited(log, act(), () => Promise.reject(refusal)),
    refusal,
  )
  await t.rejects(audited(log, act(), () => Promise.reject(new Error('the cause is not for here'))))
  t.same(lines, [
    { audit: { action: 'server.start', user: 'alice', server: 'default', outcome: 'started' } },
    { audit: { action: 'server.start', user: 'alice', outcome: 'refused', code: 'server_differs' } },
    { audit: { action: 'server.start', user: 'alice', outcome: 'failed', code: 'internal' } },
  ])
})
