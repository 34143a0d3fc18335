import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { RexecError } from '../../common/errors.ts'
import { ACTIONS, type AuditLog, audited, createAccessAudit } from '../../proxy/audit.ts'
import { ALICE, BOB, BROKER, startApp } from '../support/test-app.ts'

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

t.test(
  'every privileged act of a user leaves its line, with the id of the request and nothing secret',
  async (t) => {
    const { fetch, log, cluster, verify } = await startApp(t, {
      settings: { securityModel: { access: { denyUsers: ['bob'] } } },
    })
    const id = '0f8fad5b-d9cb-469f-a165-70867728950e'
    /** The audit lines of one request. */
    async function lines(path: string, options: Parameters<typeof fetch>[1] = {}): Promise<unknown[]> {
      const before = log.length
      await (await fetch(path, { ...options, headers: { 'x-request-id': id } })).text()
      const own = log.slice(before).filter(({ audit }) => audit)
      t.ok(own.every(({ requestId, msg, level }) => requestId === id && msg === 'audit' && level === 'info'))
      return own.map(({ audit }) => audit)
    }
    const start = (json: object) => lines('/api/v1/servers', { method: 'POST', json })
    const alice = { user: 'alice', server: 'default' }
    const made = { ...alice, tokenId: /^[0-9a-f-]{36}$/, outcome: 'made' }

    t.match(await start({ python: '3.11' }), [
      { action: 'namespace.make', user: 'alice', namespace: 'folder-of-alice', outcome: 'done' },
      { action: 'credential.make', ...made },
      { action: 'server.start', ...alice, outcome: 'started' },
      { action: 'token.make', ...made },
    ])
    const credential = await verify('server', cluster.credentials[0]!)
    t.ok(log.some(({ audit }) => (audit as { tokenId?: string })?.tokenId === credential.id))
    t.match(await start({ python: '3.11' }), [
      { action: 'server.start', ...alice, outcome: 'reused' },
      { action: 'token.make', ...made },
    ])
    t.match(await start({ python: '3.12', replace: true }), [
      { action: 'credential.make', ...made },
      { action: 'server.start', ...alice, outcome: 'replaced' },
      { action: 'token.make', ...made },
    ])
    t.same(await start({ python: '3.11' }), [
      { action: 'server.start', ...alice, outcome: 'refused', code: 'server_differs' },
    ])
    t.same(
      await start({ python: '3.11', name: '../etc' }),
      [{ action: 'server.start', user: 'alice', outcome: 'refused', code: 'name_invalid' }],
      'a name that is none is not written down',
    )
    t.same(await start({ python: '3.11', requirements: ['--index-url http://x'] }), [
      { action: 'server.start', user: 'alice', outcome: 'refused', code: 'requirement_invalid' },
    ])
    cluster.failure = new Error('s3cret detail')
    t.match(await start({ python: '3.11' }), [
      { action: 'server.start', outcome: 'failed', code: 'internal' },
    ])
    cluster.failure = undefined
    t.match(await lines('/api/v1/tokens', { method: 'POST' }), [
      { action: 'token.make', user: 'alice', tokenId: String, outcome: 'made' },
    ])
    t.same(await lines('/api/v1/servers/default', { method: 'DELETE' }), [
      { action: 'server.stop', ...alice, outcome: 'stopped' },
    ])
    t.same(await lines('/api/v1/servers/default', { method: 'DELETE' }), [
      { action: 'server.stop', user: 'alice', outcome: 'refused', code: 'server_not_found' },
    ])
    t.same(await lines('/api/v1/user', { token: BOB }), [
      { action: 'access', user: 'bob', outcome: 'refused', code: 'not_allowed' },
    ])
    t.same(await lines('/api/v1/user'), [], 'reading is no act')
    t.same(
      await lines('/api/v1/user', { token: 'of-nobody-0123456789' }),
      [],
      'nor is a token that nobody knows',
    )
    const audit = JSON.stringify(log.filter(({ audit }) => audit))
    for (const secret of [ALICE, BOB, BROKER, 's3cret', 'eyJ', '../etc'])
      t.notOk(audit.includes(secret), secret)
  },
)

t.test(
  'whoever is not let in and asks on does not fill the log: a line for each user and minute',
  async (t) => {
    let now = 0
    const { logger, lines } = keptAudit()
    const refusal = new RexecError('not_allowed')
    const audit = createAccessAudit(60, () => now)
    const bob = { action: 'access', user: 'bob', outcome: 'refused', code: 'not_allowed' }
    for (let asked = 0; asked < 1000; asked++) audit(logger, 'bob', refusal)
    audit(logger, 'carol', refusal)
    t.same(lines, [bob, { ...bob, user: 'carol' }], 'one does not hide another')
    now = 60_000
    audit(logger, 'bob', refusal)
    t.same(lines[2], { ...bob, leftOut: 999 }, 'what was left out is counted')
    now = 120_000
    audit(logger, 'bob', refusal)
    t.same(lines[3], bob)

    const each = createAccessAudit(0, () => now)
    for (let asked = 0; asked < 3; asked++) each(logger, 'bob', refusal)
    t.equal(lines.length, 7, 'at 0 every one')

    const { fetch, log } = await startApp(t, {
      settings: { securityModel: { access: { denyUsers: ['bob'] } } },
    })
    for (let asked = 0; asked < 3; asked++) await (await fetch('/api/v1/user', { token: BOB })).text()
    t.equal(log.filter(({ audit }) => audit).length, 1, 'by default, in the service')
  },
)

function keptAudit() {
  const lines: unknown[] = []
  const logger = { info: ({ audit }: { audit: unknown }) => void lines.push(audit) }
  return { logger: logger as unknown as AuditLog, lines }
}

t.test('administrators are told of every act', async (t) => {
  const page = await readFile(join(import.meta.dirname, '../../docs/admin/operating.md'), 'utf8')
  for (const action of ACTIONS) t.match(page, new RegExp(`^\\| .*\`${action}\``, 'm'))
})
