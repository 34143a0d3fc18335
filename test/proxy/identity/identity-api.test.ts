import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { checkSettings, SettingsError } from '../../../common/settings.ts'
import { createIdentityApi } from '../../../proxy/identity/identity-api.ts'
import { IdentityApiSettings } from '../../../proxy/identity/settings.ts'
import { type Asked, startFakeIdentityApi } from '../../support/fake-identity-api.ts'
import { keptLog } from '../../support/log.ts'

const TOKEN = 'planted-token-0123456789'

/** An authenticator that asks a service which answers with `reply`. */
async function asking(t: Test, reply: Parameters<typeof startFakeIdentityApi>[0], settings: object = {}) {
  const api = await startFakeIdentityApi(reply)
  t.teardown(() => api.close())
  const log = keptLog()
  const authenticator = createIdentityApi(
    checkSettings(IdentityApiSettings, { url: api.url, ...settings }),
    log.logger,
  )
  return { api, log, authenticator, authenticate: () => authenticator.authenticate({ token: TOKEN }) }
}

const answers = {
  get: ({ authorization }: Asked) => (authorization === `Bearer ${TOKEN}` ? { sub: 'alice' } : 401),
  post: ({ method, body }: Asked) =>
    method === 'POST' ? (body === JSON.stringify({ token: TOKEN }) ? { sub: 'alice' } : 401) : 405,
}

t.test('get shows the token in the header', async (t) => {
  const { authenticate, api } = await asking(t, answers.get, { method: 'get' })
  t.same(await authenticate(), { name: 'alice', groups: [], authenticator: 'identity-api' })
  t.same(api.asked, [{ method: 'GET', authorization: `Bearer ${TOKEN}`, body: '' }])
})

t.test('post shows the token in the body alone', async (t) => {
  const { authenticate, api } = await asking(t, answers.post, { method: 'post' })
  t.match(await authenticate(), { name: 'alice' })
  t.same(api.asked, [{ method: 'POST', authorization: undefined, body: JSON.stringify({ token: TOKEN }) }])
})

t.test('auto finds the method that the service takes, and keeps to it', async (t) => {
  for (const method of ['get', 'post'] as const) {
    const { authenticate, api } = await asking(t, answers[method])
    t.match(await authenticate(), { name: 'alice' })
    t.match(await authenticate(), { name: 'alice' })
    t.same(
      api.asked.map((asked) => asked.method),
      method === 'get' ? ['GET', 'GET'] : ['GET', 'POST', 'POST'],
    )
  }
})

t.test('auto: a service that refuses both ways does not know the token', async (t) => {
  const { authenticate, api } = await asking(t, () => 401)
  t.equal(await authenticate(), undefined)
  t.equal(api.asked.length, 2)
})

t.test('groups may be texts or objects', async (t) => {
  const groups = [
    'staff',
    { path: '/org/users', name: 'users' },
    { name: 'x' },
    { id: 1 },
    5,
    null,
    '',
    { path: '' },
  ]
  const { authenticate } = await asking(t, () => ({ sub: 'alice', groups }))
  t.match(await authenticate(), { groups: ['staff', '/org/users', 'x'] })
})

t.test('other claims, and a prefix that keeps users apart', async (t) => {
  const { authenticate } = await asking(t, () => ({ sub: 'x', preferred_username: 'alice', roles: ['a'] }), {
    nameClaim: 'preferred_username',
    groupsClaim: 'roles',
    namePrefix: 'idp:',
  })
  t.match(await authenticate(), { name: 'idp:alice', groups: ['a'] })
})

t.test('an answer that refuses, or names nobody, proves nobody', async (t) => {
  const refusing: Record<string, unknown> = {
    'status 401': 401,
    'status 403': 403,
    'an error beside a sub': { error: 'expired', sub: 'alice' },
    'an empty error': { error: null, sub: 'alice' },
    'an inactive token (RFC 7662)': { active: false, sub: 'alice' },
    'no sub': { username: 'alice' },
    'an empty sub': { sub: '' },
    'a blank sub': { sub: '  ' },
    'a null sub': { sub: null },
    'a number as sub': { sub: 42 },
    'a list as sub': { sub: ['alice'] },
    'an object as sub': { sub: { toString: 'alice' } },
    'a sub with a newline': { sub: 'alice\nbob' },
    'a sub with NUL': { sub: 'alice\0' },
    'a sub with a right-to-left override': { sub: 'ecila\u202e' },
    'a sub with a zero-width space': { sub: 'ali\u200bce' },
    'a sub that is too long': { sub: 'a'.repeat(256) },
  }
  for (const [what, reply] of Object.entries(refusing)) {
    const { authenticate } = await asking(t, () => reply)
    t.equal(await authenticate(), undefined, what)
  }
  const { authenticate } = await asking(t, () => ({ sub: 'alice' }), { nameClaim: 'constructor' })
  t.equal(await authenticate(), undefined, 'a claim that every object has')
})

t.test('anything else says nothing about the token: identity_unavailable', async (t) => {
  const failing: Record<string, Parameters<typeof startFakeIdentityApi>[0]> = {
    'status 500': () => 500,
    'status 502': () => 502,
    'status 204': () => 204,
    'status 404': () => 404,
    'status 429': () => 429,
    'no JSON': (_, response) => void response.end('<html>'),
    nothing: (_, response) => void response.end(),
    'a list': () => ['alice'],
    'a text': () => 'alice',
    'groups that are no list': () => ({ sub: 'alice', groups: 'staff' }),
    'a broken connection': (_, response) => void response.destroy(),
    'a connection broken in the answer': (_, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"sub":"alice"}')
      setImmediate(() => response.destroy())
    },
    'too long an answer': () => ({ sub: 'alice', filler: 'x'.repeat(2000) }),
    'an endless answer': (_, response) => {
      const more = () => response.write('x'.repeat(500), () => response.destroyed || setImmediate(more))
      more()
    },
  }
  for (const [what, reply] of Object.entries(failing)) {
    const { authenticate, log } = await asking(t, reply, { maxAnswerBytes: 1000 })
    await t.rejects(authenticate(), { code: 'identity_unavailable', status: 503, retryAfter: 3 }, what)
    t.notMatch(log.text(), TOKEN)
  }
})

t.test('no answer in time is identity_unavailable', async (t) => {
  const { authenticate } = await asking(t, () => {}, { timeoutMilliseconds: 100 })
  await t.rejects(authenticate(), { code: 'identity_unavailable' })
})

t.test('an answer that stops half-way is not waited for', async (t) => {
  const { authenticate } = await asking(t, (_, response) => void response.write('{"sub":'), {
    timeoutMilliseconds: 100,
  })
  await t.rejects(authenticate(), { code: 'identity_unavailable' })
})

t.test('nobody listens: identity_unavailable, and the token is in no error', async (t) => {
  const { authenticate, api } = await asking(t, () => 401)
  await api.close()
  const error: Error = await authenticate().then(
    () => t.fail('nobody answers'),
    (error) => error,
  )
  t.match(error, { code: 'identity_unavailable' })
  t.match(error.cause, { message: 'no answer: ECONNREFUSED' })
  t.notMatch(inspect(error, { depth: 20 }), TOKEN)
})

t.test('the token follows no redirect', async (t) => {
  const elsewhere = await startFakeIdentityApi(() => ({ sub: 'mallory' }))
  t.teardown(() => elsewhere.close())
  for (const status of [301, 302, 303, 307, 308]) {
    for (const method of ['get', 'post', 'auto']) {
      const { authenticate } = await asking(
        t,
        (_, response) => void response.writeHead(status, { location: elsewhere.url }).end(),
        { method },
      )
      await t.rejects(authenticate(), { code: 'identity_unavailable' }, `${status} ${method}`)
    }
  }
  t.same(elsewhere.asked, [])
})

t.test('a check asks without a token', async (t) => {
  for (const status of [200, 401, 405]) {
    const { authenticator, api } = await asking(t, () => status)
    await authenticator.check()
    t.match(api.asked, [{ method: 'GET', authorization: undefined }])
  }
  for (const status of [302, 500, 503]) {
    const { authenticator } = await asking(t, () => status)
    await t.rejects(authenticator.check(), { code: 'identity_unavailable' })
  }
})

t.test('tokens travel by TLS, to this host, or as the admin says', async (t) => {
  const create = (settings: object) => () =>
    createIdentityApi(checkSettings(IdentityApiSettings, settings), keptLog().logger)
  for (const url of [
    'https://idp.example/user',
    'http://localhost:1/',
    'http://127.0.0.2/',
    'http://[::1]:8/x',
  ]) {
    t.doesNotThrow(create({ url }), url)
  }
  for (const url of [
    'http://idp.example/user',
    'http://127.0.0.1.evil.example/',
    'http://localhost.evil.example/',
    'http://10.0.0.1/',
    'https://user:password@idp.example/',
    'https://',
  ]) {
    t.throws(create({ url }), SettingsError, url)
  }
  t.throws(create({ url: 'ftp://idp.example/' }), SettingsError)
  t.doesNotThrow(create({ url: 'http://idp.example/user', allowHttp: true }))
})
