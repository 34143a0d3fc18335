import t from 'tap'
import { RexecError } from '../../../../../common/errors.ts'
import { BOB, startApp } from '../../../../support/test-app.ts'

t.test('GET /user says who I am and why I am let in', async (t) => {
  const { fetch } = await startApp(t, {
    settings: { securityModel: { access: { allowGroups: ['Science'] } } },
  })
  t.same(await (await fetch('/api/v1/user')).json(), {
    name: 'alice',
    groups: ['/science'],
    authenticator: 'static',
    allowedBy: '/science',
  })
  const bob = await fetch('/api/v1/user', { token: BOB })
  t.equal(bob.status, 403)
  t.match(await bob.json(), { code: 'not_allowed' })
})

t.test('identities that do not answer are 503 with Retry-After, never 401', async (t) => {
  const away = {
    authenticate: () => Promise.reject(new RexecError('identity_unavailable')),
    check: () => Promise.reject(new RexecError('identity_unavailable')),
  }
  const { fetch } = await startApp(t, { identities: away })
  for (const path of ['/api/v1/user', '/broker-config', '/api/v1/servers']) {
    const answer = await fetch(path)
    t.equal(answer.status, 503)
    t.match(answer.headers.get('retry-after'), /^\d+$/)
    t.match(await answer.json(), { code: 'identity_unavailable' })
  }
})

t.test('only what makes something lasting asks freshly whose token it is', async (t) => {
  const asked: (boolean | undefined)[] = []
  const identities = {
    authenticate: async (_token: string, options?: { fresh?: boolean }) => {
      asked.push(options?.fresh)
      return { name: 'alice', groups: [], authenticator: 'test' }
    },
    check: async () => {},
  }
  const { fetch } = await startApp(t, { identities })
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
  await fetch('/api/v1/tokens', { method: 'POST' })
  await fetch('/spawn', { method: 'POST', form: 'requirments=python%3D%3D3.12' })
  await fetch('/api/v1/user')
  await fetch('/broker-config')
  t.same(asked, [true, true, true, false, false])
})
