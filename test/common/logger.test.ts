import t from 'tap'
import { createLogger, redact } from '../../common/logger.ts'
import { keptLog } from '../support/log.ts'

const SECRET = 's3cr3t-0123456789'
const JWT = 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl'
/** As common/seal.ts makes it: the second part is empty. */
const SEALED = `eyJhbGciOiJkaXIifQ..${SECRET}.${SECRET}.${SECRET}`

t.test('secrets are taken out of texts', async (t) => {
  for (const text of [
    `token=${SECRET}`,
    `token: ${SECRET}`,
    `"token": "${SECRET}"`,
    `'token': '${SECRET}'`,
    `?access_token=${SECRET}&x=1`,
    `Authorization: Bearer ${SECRET}`,
    `authorization: token ${SECRET}`,
    `Authorization: Session ${SECRET}`,
    `Authorization: Basic ${SECRET}`,
    `got header Bearer ${SECRET}`,
    `PASSWORD = ${SECRET}`,
    `client_secret=${SECRET};`,
    `X-API-Key: ${SECRET}`,
    `Cookie: a=${SECRET}; b=${SECRET}`,
    `Set-Cookie: session=x; value=${SECRET}`,
    `Looking in indexes: https://user:${SECRET}@pypi.example/simple`,
    `https://${SECRET}@pypi.example/simple`,
    `key ${JWT} refused`,
    `path/${JWT}`,
    `KEY=${JWT}`,
    `Session ${SEALED}`,
    `sealed ${SEALED}, refused`,
  ]) {
    const said = redact(text)
    t.match(said, /\[redacted\]/, text)
    t.notMatch(said, SECRET, text)
    t.notMatch(said, 'eyJzdWIi', text)
  }
})

t.test('other texts stay as they are', async (t) => {
  for (const text of [
    'ERROR: No matching distribution found for numpy==99',
    'Collecting dill==0.4.0 from https://files.example/dill-0.4.0-py3-none-any.whl',
    'File "/srv/worker.py", line 3, in tokenize',
    'the token has expired',
    'user@example.org',
    '',
  ]) {
    t.equal(redact(text), text)
  }
})

t.test('a hostile text takes time in proportion to its length', async (t) => {
  const length = 200_000
  for (const piece of [
    'eyJ-',
    'eyJ.',
    'eyJ-..',
    'token',
    'token=',
    'token ',
    'bearer ',
    '//',
    '//a:',
    'a@',
    'cookie:',
    ' ',
    '"',
  ]) {
    redact(piece.repeat(length / piece.length))
  }
  t.pass('it came back')
})

t.test('fields named like secrets are taken out of log lines', async (t) => {
  const log = keptLog()
  const fields = ['token', 'authorization', 'cookie', 'credential', 'password', 'secret', 'access_token']
  for (const field of fields) {
    log.logger.info({ [field]: SECRET }, 'flat')
    log.logger.info({ body: { [field]: SECRET } }, 'nested')
    log.logger.info({ request: { headers: { [field]: SECRET } } }, 'nested twice')
  }
  t.equal(log.lines.length, 3 * fields.length)
  t.notMatch(log.text(), SECRET)
})

t.test('an error is logged by name, code and a text without secrets', async (t) => {
  const log = keptLog()
  const error = Object.assign(new TypeError(`no answer to token=${SECRET}`), {
    code: 'E1',
    options: { token: SECRET },
  })
  log.logger.error({ err: error }, 'failed')
  log.logger.error(error)
  log.logger.error({ err: error })
  for (const line of log.lines)
    t.match(line, { err: { type: 'TypeError', code: 'E1', message: /\[redacted\]/ } })
  t.equal(log.lines.length, 3)
  t.notMatch(log.text(), SECRET)
})

t.test('a message is cleared of secrets, also one that is put together', async (t) => {
  const log = keptLog()
  log.logger.warn(`refused token=${SECRET}`)
  log.logger.warn('refused %s', `token=${SECRET}`)
  log.logger.warn({ part: 'x' }, `refused token=${SECRET}`)
  log.logger.child({ request: 1 }).warn(`refused token=${SECRET}`)
  t.same(new Set(log.lines.map(({ msg }) => msg)), new Set(['refused token=[redacted]']))
})

t.test('a request is logged by method and path: no query, header or body', async (t) => {
  const log = keptLog()
  const headers = { authorization: SECRET, 'x-other': SECRET }
  log.logger.info({ req: { method: 'GET', url: `/a/b?token=${SECRET}`, headers, body: SECRET } })
  log.logger.info({ res: { statusCode: 200, headers } })
  t.match(log.lines, [{ req: { method: 'GET', path: '/a/b' } }, { res: { statusCode: 200 } }])
  t.notMatch(log.text(), SECRET)
})

t.test('a line is JSON with time, level by name and part', async (t) => {
  const written: string[] = []
  const logger = createLogger('broker', {
    level: 'warn',
    destination: { write: (line) => void written.push(line) },
  })
  logger.info('not at this level')
  logger.warn('said')
  t.equal(written.length, 1)
  t.match(JSON.parse(written[0]!), { level: 'warn', part: 'broker', msg: 'said', time: /^\d{4}-.*Z$/ })
})
