import t from 'tap'
import { type ErrorCode, RexecError } from '../../../common/errors.ts'
import { Counter, Registry } from '../../../common/metrics.ts'
import { type Authenticator, unavailable } from '../../../proxy/identity/authenticator.ts'
import { askChain } from '../../../proxy/identity/chain.ts'
import { keptLog } from '../../support/log.ts'

const ALICE = { name: 'alice', groups: [], authenticator: 'x' }
const saying = (name: string, say: () => unknown): Authenticator => ({
  name,
  authenticate: async () => say() as undefined,
  check: async () => {},
})
const unknown = saying('unknown', () => undefined)
const proving = saying('proving', () => ALICE)
const away = saying('away', () => {
  throw unavailable('status 502')
})
const broken = saying('broken', () => {
  throw new TypeError('cannot read token=s3cr3t-0123456789')
})

function ask(...authenticators: Authenticator[]) {
  const log = keptLog()
  const checks = new Counter({
    name: 'checks',
    help: 'x',
    labelNames: ['authenticator', 'outcome'] as const,
    registers: [new Registry()],
  })
  return { log, answer: askChain(authenticators, { token: 'x' }, { logger: log.logger, checks }) }
}

t.test('one that proves is enough, wherever it stands', async (t) => {
  for (const chain of [
    [proving],
    [unknown, proving],
    [away, proving],
    [proving, away],
    [broken, unknown, proving],
  ]) {
    t.equal(await ask(...chain).answer, ALICE)
  }
})

t.test('only when all say that they do not know the token is it invalid', async (t) => {
  await t.rejects(ask(unknown, unknown).answer, { code: 'token_invalid' })
  for (const chain of [[away, unknown], [unknown, away], [unknown, broken], [broken]]) {
    await t.rejects(ask(...chain).answer, { code: 'identity_unavailable' })
  }
})

t.test('whoever knows the token and refuses it has the last word, and the first', async (t) => {
  for (const code of ['scope_missing', 'token_wrong_kind', 'not_allowed'] as ErrorCode[]) {
    const refusing = saying('refusing', () => {
      throw new RexecError(code)
    })
    for (const chain of [[refusing], [refusing, proving], [unknown, away, refusing, broken]]) {
      await t.rejects(ask(...chain).answer, { code })
    }
    t.equal(await ask(proving, refusing).answer, ALICE, 'the first that proves decides')
  }
  const confused = saying('confused', () => {
    throw new RexecError('server_not_found')
  })
  await t.rejects(
    ask(confused).answer,
    { code: 'identity_unavailable' },
    'no other refusal is one of a token',
  )
})

t.test('the log names the authenticator and the reason, without secrets', async (t) => {
  const { log, answer } = ask(away, broken)
  await t.rejects(answer)
  t.match(log.lines, [
    { authenticator: 'away', reason: 'status 502' },
    { authenticator: 'broken', reason: 'cannot read token=[redacted]' },
  ])
})
