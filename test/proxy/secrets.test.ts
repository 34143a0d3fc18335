import { randomUUID } from 'node:crypto'
import t, { type Test as Tap } from 'tap'
import { RexecError } from '../../common/errors.ts'
import { sendRaw } from '../support/raw-http.ts'
import { LOGIN, logIn } from '../support/session.ts'
import { ALICE, BROKER, startApp } from '../support/test-app.ts'

/** A text that is looked for everywhere afterwards; every place gets one of its own. */
const plant = (place: string) => `planted-${place}-${randomUUID()}`

t.test('a token shows up in no log line, error body or metric, wherever it was sent', async (t) => {
  const valid = plant('valid')
  const answers: string[] = []
  const service = await startApp(t, {
    settings: {
      identity: { authenticators: ['static'], static: { users: [{ name: 'alice', token: valid }] } },
    },
  })
  const send = async (path: string, options: Parameters<typeof service.fetch>[1] = {}) => {
    const answer = await service.fetch(path, { token: valid, ...options })
    // What is made for the caller is given to the caller; the log is searched for it below.
    if (!answer.ok) answers.push(`${[...answer.headers].join('\n')}\n${await answer.text()}`)
    else await answer.text()
  }
  const post = (path: string, json: unknown) => send(path, { method: 'POST', json })
  const form = (path: string, fields: Record<string, string>, method = 'POST') =>
    send(path, { method, form: `${new URLSearchParams(fields)}`, token: null })

  await send('/api/v1/user')
  await send('/api/v1/user', { token: plant('wrong') })
  await send('/api/v1/user', { token: null, headers: { authorization: `Basic ${plant('basic')}` } })
  await send('/api/v1/user', { token: null, headers: { authorization: `Session ${plant('session')}` } })
  await send('/api/v1/user', { token: null, headers: { authorization: plant('bare') } })
  for (const header of [
    'x-request-id',
    'cookie',
    'user-agent',
    'referer',
    'x-forwarded-for',
    'x-forwarded-host',
    'accept-version',
  ])
    await send('/status/rexec', { headers: { [header]: plant(header) } })
  await send(`/api/v1/user?token=${plant('query')}`)
  await send(`/api/v1/user?other=${plant('query')}`)
  await send(`/api/v1/user?${plant('query-name')}=1`)
  await send(`/api/v1/servers/default/logs?follow=${plant('follow')}`)
  await send(`/api/v1/servers/${plant('server')}`)
  await send(`/api/v1/servers/${plant('server')}`, { method: 'DELETE' })
  await send(`/api/v1/servers/${plant('server')}`, { method: 'PUT' })
  await send(`/${plant('path')}`)
  await send(`/${plant('path')}/%zz`)
  await post('/api/v1/servers', plant('text'))
  await post('/api/v1/servers', { [plant('name')]: 1 })
  await post('/api/v1/servers', { name: plant('name').toUpperCase() })
  await post('/api/v1/servers', { profile: plant('profile') })
  await post('/api/v1/servers', { python: plant('python') })
  await post('/api/v1/servers', { python: '3.12', requirements: [plant('requirement')] })
  await post('/api/v1/servers', { python: '3.12', requirements: [`a @ https://user:${plant('url')}@host/`] })
  await post('/api/v1/servers', { python: '3.12', env: { [plant('env')]: 'x' } })
  await post('/api/v1/servers', { python: '3.12', env: { [plant('env')]: 1 } })
  await post('/api/v1/servers', { python: '3.12', env: { PIP_INDEX_URL: plant('value') } })
  await post('/api/v1/servers', { python: '3.12', env: { TOKEN: plant('good-value') }, name: 'good' })
  await post('/api/v1/servers', { python: '3.12', resources: { [plant('resource')]: 1 } })
  await post('/api/v1/tokens', { server: plant('of-no-server') })
  await post('/api/v1/tokens', { lifetimeSeconds: plant('life') })
  await send('/api/v1/servers', {
    method: 'POST',
    body: `{"${plant('broken-json')}`,
    headers: { 'content-type': 'application/json' },
  })
  await send('/api/v1/servers', {
    method: 'POST',
    body: 'x',
    headers: { 'content-type': `text/${plant('type')}` },
  })
  await send('/api/v1/token-reviews', { method: 'POST', token: BROKER, json: { token: plant('review') } })
  await send('/api/v1/token-reviews', { method: 'POST', token: plant('credential'), json: { token: valid } })
  await send('/api/v1/server-reviews', {
    method: 'POST',
    token: BROKER,
    json: { credential: plant('server'), waitSeconds: 0 },
  })
  await form('/spawn', { token: valid, requirments: 'python==3.12' })
  await form('/spawn', { token: plant('form'), requirments: 'python==3.12' })
  await form('/spawn', { token: valid, requirments: plant('line') })
  await form('/spawn', { token: valid, force_reinstall: plant('word') })
  await form('/spawn', { token: valid, [plant('field')]: '1' })
  await form('/terminate', { token: plant('terminate') }, 'DELETE')
  const raw = (head: string) => sendRaw(service.origin, `${head}\r\nHost: x\r\nConnection: close\r\n\r\n`)
  answers.push(await raw(`GET /${plant('no-http')}`))
  answers.push(await raw(`${plant('method')} / HTTP/1.1`))
  answers.push(
    await raw(
      `GET /services/rexec/api/v1/user HTTP/1.1\r\nAuthorization: Bearer ${plant('a')}\r\nAuthorization: ${plant('b')}`,
    ),
  )

  // Upstream errors that quote what they were shown.
  service.cluster.failure = new Error(`the cluster says: Authorization: Bearer ${valid}`)
  await send('/api/v1/servers')
  service.cluster.failure = new RexecError('cluster_unavailable', undefined, {
    cause: new Error(`bad token ${valid}`),
  })
  await send('/api/v1/servers')
  await form('/terminate', { token: valid }, 'DELETE')
  await post('/api/v1/servers', { python: '3.12' })

  t.ok(answers.length > 35, 'the attempts were refused')
  search(t, { answers, log: service.log, metrics: await service.registry.metrics() })
})

t.test('errors of the identity service that quote the token are cleaned', async (t) => {
  const answers: string[] = []
  for (const code of ['identity_unavailable', 'internal'] as const) {
    const identities = {
      authenticate: (token: string) => {
        const cause = new Error(`upstream answered 500 to "${token}"`)
        return Promise.reject(code === 'internal' ? cause : new RexecError(code, undefined, { cause }))
      },
      check: async () => {},
    }
    const { fetch, log, registry } = await startApp(t, { identities })
    answers.push(await (await fetch('/api/v1/user', { token: plant('upstream') })).text())
    answers.push(
      await (
        await fetch('/spawn', {
          method: 'POST',
          token: null,
          form: `requirments=python%3D%3D3.12&token=${plant('form')}`,
        })
      ).text(),
    )
    const review = { method: 'POST', token: BROKER, json: { token: plant('reviewed') } }
    answers.push(await (await fetch('/api/v1/token-reviews', review)).text())
    t.equal(log.filter(({ err }) => err).length, 3, 'the cause is logged')
    t.match(JSON.stringify(log), 'upstream answered 500')
    search(t, { answers, log, metrics: await registry.metrics() })
  }
})

t.test('errors that quote the session of the page, or the token in it, are cleaned', async (t) => {
  const app = await startApp(t, { settings: LOGIN })
  const { authorization } = await logIn(app)
  const [, session] = authorization.split(' ')
  app.cluster.failure = new Error(`"${session}" stands for "${ALICE}"`)
  const answer = await app.fetch('/api/v1/servers', { token: null, headers: { authorization } })
  t.equal(answer.status, 500)
  t.match(JSON.stringify(app.log), 'stands for')
  const told = JSON.stringify(app.log) + (await answer.text())
  for (const secret of [ALICE, ...session!.split('.').filter(Boolean)]) t.notOk(told.includes(secret))
})

t.test(
  'what is made for callers is in no log: exec tokens, server credentials, the broker credential',
  async (t) => {
    const { fetch, cluster, log } = await startApp(t)
    const started = (await (
      await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12' } })
    ).json()) as {
      token: string
    }
    const made = (await (await fetch('/api/v1/tokens', { method: 'POST' })).json()) as { token: string }
    await fetch('/api/v1/token-reviews', { method: 'POST', token: BROKER, json: { token: made.token } })
    for (const secret of [started.token, made.token, cluster.credentials[0]!, BROKER]) {
      for (const part of secret.split('.')) if (part.length > 40) t.notMatch(JSON.stringify(log), part)
    }
  },
)

function search(t: Tap, places: Record<string, unknown>): void {
  for (const [place, content] of Object.entries(places)) {
    const found = JSON.stringify(content).match(/planted-[\w-]{0,60}/i)
    t.notOk(found, `${place}: ${found?.[0] ?? 'nothing'}`)
  }
}
