import t from 'tap'
import { RexecError } from '../../../../common/errors.ts'
import { ALICE, BOB, FORM, startApp } from '../../../support/test-app.ts'

/** As `requests` encodes it: lists repeat their name, booleans are Python's words. */
function form(fields: { requirments?: string[]; token?: string; force_reinstall?: string }): string {
  const { requirments = [], ...others } = fields
  return `${new URLSearchParams([...requirments.map((line): [string, string] => ['requirments', line]), ...Object.entries(others)])}`
}
const python311 = ['python==3.11', 'numpy>=2']
const python312 = ['python==3.12']

t.test('spawn answers in the shape that the clients read, at both addresses', async (t) => {
  const { fetch } = await startApp(t, {
    settings: { securityModel: { access: { allowGroups: ['science'] } } },
  })
  for (const path of ['/spawn', '/rexec/spawn']) {
    const answer = await fetch(path, {
      method: 'POST',
      token: null,
      form: form({ requirments: python311, token: ALICE }),
    })
    t.equal(answer.status, 200)
    t.match(await answer.json(), {
      Status: String,
      Username: 'alice',
      NDP_Endpoint_membership: '/science',
      server: 'default',
    })
  }
  const bob = await fetch('/spawn', {
    method: 'POST',
    token: null,
    form: form({ requirments: python311, token: BOB }),
  })
  t.equal(bob.status, 403)
})

t.test('a changed requirements file: 0.0.8 replaces, 0.1.0 is asked for force_reinstall', async (t) => {
  const { fetch, cluster } = await startApp(t)
  const spawn = (fields: Parameters<typeof form>[0]) =>
    fetch('/spawn', { method: 'POST', form: form(fields) })
  const version = () => cluster.servers.get('alice/default')!.python
  t.equal((await spawn({ requirments: python311 })).status, 200)
  t.match(await (await spawn({ requirments: python311 })).json(), { Status: /used again/ })
  t.match(await (await spawn({ requirments: python312 })).json(), { Status: /replaced/ })
  t.equal(version(), '3.12')
  const refused = await spawn({ requirments: python311, force_reinstall: 'False' })
  t.equal(refused.status, 409)
  t.match(await refused.json(), { code: 'server_differs', detail: /force_reinstall=True/, status: 409 })
  t.equal(version(), '3.12')
  t.equal((await spawn({ requirments: python311, force_reinstall: 'True' })).status, 200)
  t.equal(version(), '3.11')
  t.match(await (await spawn({ requirments: python311, force_reinstall: 'False' })).json(), {
    Status: /used again/,
  })
})

t.test('spawn meets the same security model as the JSON API', async (t) => {
  const { fetch, cluster } = await startApp(t, { settings: { limits: { bodyBytes: 65536 } } })
  const cases: [string, number, string][] = [
    ['', 400, 'python_required'],
    [form({ requirments: ['numpy'] }), 400, 'python_required'],
    [form({ requirments: ['python==3.8'] }), 400, 'python_not_allowed'],
    [form({ requirments: ['python==3.11', 'evil @ http://evil/x.whl'] }), 400, 'requirement_invalid'],
    [form({ requirments: ['python==3.11', '-r /etc/passwd'] }), 400, 'requirement_invalid'],
    [form({ requirments: ['python==3.11', 'a\nb'] }), 400, 'requirement_invalid'],
    [
      form({ requirments: ['python==3.11', ...Array.from({ length: 101 }, (_, i) => `p${i}`)] }),
      400,
      'limit_exceeded',
    ],
    [
      form({ requirments: ['python==3.11', ...Array.from({ length: 1001 }, (_, i) => `p${i}`)] }),
      400,
      'body_invalid',
    ],
    [`${form({ requirments: python311 })}&image=evil`, 400, 'body_invalid'],
    [`${form({ requirments: python311 })}&__proto__=evil`, 400, 'body_invalid'],
    [`${form({ requirments: python311 })}&requirements=numpy`, 400, 'body_invalid'],
    [`${form({ requirments: python311 })}&replace=true`, 400, 'body_invalid'],
    [form({ requirments: python311, force_reinstall: 'yes' }), 400, 'body_invalid'],
    [
      `${form({ requirments: python311, force_reinstall: 'True' })}&force_reinstall=False`,
      400,
      'body_invalid',
    ],
    [form({ requirments: ['python==3.11', 'x'.repeat(70_000)] }), 413, 'body_too_large'],
  ]
  for (const [body, status, code] of cases) {
    const answer = await fetch('/spawn', { method: 'POST', form: body })
    t.equal(answer.status, status, body.slice(0, 100))
    t.match(await answer.json(), { code, detail: String })
  }
  const json = await fetch('/spawn', { method: 'POST', json: { requirments: python311 } })
  t.equal(json.status, 415)
  t.equal(cluster.servers.size, 0)
})

t.test('the token is in the form or in the header, and one only', async (t) => {
  const { fetch } = await startApp(t)
  const spawn = (token: string | null, inForm?: string) =>
    fetch('/spawn', {
      method: 'POST',
      token,
      form: form({ requirments: python311, ...(inForm !== undefined && { token: inForm }) }),
    })
  t.equal((await spawn(ALICE)).status, 200)
  t.equal((await spawn(null, ALICE)).status, 200)
  t.equal((await spawn(ALICE, ALICE)).status, 200)
  const cases: [string | null, string | undefined, number, string][] = [
    [null, undefined, 401, 'token_missing'],
    [null, '', 401, 'token_missing'],
    [null, 'nobody-knows-this-token', 401, 'token_invalid'],
    [null, `${ALICE}\n`, 401, 'token_invalid'],
    [ALICE, BOB, 400, 'body_invalid'],
  ]
  for (const [header, field, status, code] of cases) {
    const answer = await spawn(header, field)
    t.equal(answer.status, status)
    t.match(await answer.json(), { code })
  }
  const twice = await fetch('/spawn', { method: 'POST', token: null, form: `token=${BOB}&token=${ALICE}` })
  t.equal(twice.status, 400)
})

t.test(
  'terminate takes its token in the form of a DELETE, and is content when there is nothing',
  async (t) => {
    const { fetch, cluster } = await startApp(t)
    for (const path of ['/terminate', '/spawn', '/rexec/terminate', '/rexec/spawn']) {
      await fetch('/spawn', { method: 'POST', form: form({ requirments: python311 }) })
      const options = { method: 'DELETE', token: null, form: form({ token: ALICE }) }
      const first = await fetch(path, options)
      t.equal(first.status, 200, path)
      t.match(await first.json(), { Status: /terminated/, Username: 'alice' })
      t.equal(cluster.servers.size, 0)
      const second = await fetch(path, options)
      t.equal(second.status, 200, 'the clients would take a 404 for a wrong address')
      t.match(await second.json(), { Status: /no remote execution server/ })
      t.equal((await fetch(path, { method: 'DELETE' })).status, 200, 'with the header alone')
      t.equal((await fetch(path, { method: 'DELETE', token: null })).status, 401)
      t.equal((await fetch(path, { method: 'DELETE', form: 'name=other' })).status, 400)
    }
  },
)

t.test("terminate leaves other servers and other users' servers alone", async (t) => {
  const { fetch, cluster } = await startApp(t)
  await fetch('/spawn', { method: 'POST', form: form({ requirments: python311 }) })
  await fetch('/spawn', { method: 'POST', token: BOB, form: form({ requirments: python311 }) })
  await fetch('/api/v1/servers', { method: 'POST', json: { python: '3.12', name: 'mine' } })
  await fetch('/terminate', { method: 'DELETE' })
  t.same([...cluster.servers.keys()].sort(), ['alice/mine', 'bob/default'])
})

t.test('a failure of the cluster is not "nothing to terminate"', async (t) => {
  const { fetch, cluster } = await startApp(t)
  cluster.failure = new RexecError('cluster_unavailable')
  const answer = await fetch('/terminate', { method: 'DELETE' })
  t.equal(answer.status, 503)
})

t.test('broker-config says where everything is, to those who prove who they are', async (t) => {
  const { fetch, url } = await startApp(t)
  for (const path of ['/broker-config', '/rexec/broker-config']) {
    t.same(await (await fetch(path)).json(), {
      broker_external_host: 'broker.test',
      broker_external_port: '5559',
      broker_external_url: 'broker.test:5559',
      api_url: `${url}/spawn`,
    })
    t.equal((await fetch(path, { token: null })).status, 401)
  }
})

t.test('status leads ndp-ep to the API, and does not make it warn', async (t) => {
  const { fetch, url } = await startApp(t)
  for (const path of ['/status/rexec', '/rexec/status/rexec']) {
    t.same(await (await fetch(path, { token: null })).json(), { deployment_api_url: url })
  }
  for (const path of ['/status', '/status/']) {
    t.match(await (await fetch(path)).json(), {
      api_version: '0.2.0',
      version: undefined,
      rexec_version: String,
    })
  }
})

t.test('the external address: as set, or as a trusted proxy says, or as asked', async (t) => {
  const address = async (settings: object, headers: Record<string, string>) => {
    const { fetch, url } = await startApp(t, { settings })
    const answer = await fetch('/status/rexec', { headers })
    const { deployment_api_url } = (await answer.json()) as { deployment_api_url?: string }
    return { own: url, told: deployment_api_url, status: answer.status }
  }
  const forwarded = { 'x-forwarded-host': 'hub.example.org', 'x-forwarded-proto': 'https' }
  t.equal((await address({}, forwarded)).told, 'https://hub.example.org/services/rexec')
  const untrusted = await address({ trustProxy: ['192.0.2.0/24'] }, forwarded)
  t.equal(untrusted.told, untrusted.own, 'X-Forwarded-* of anybody else means nothing')
  const chain = { ...forwarded, 'x-forwarded-proto': 'https,http', 'x-forwarded-for': '192.0.2.1,10.0.0.1' }
  t.match(await address({}, chain), { told: /^https:/ }, "the hub's proxy speaks http to the one before it")
  t.match(await address({ trustProxy: ['192.0.2.0/24'] }, chain), { told: /^http:/ })
  t.match(await address({}, { ...chain, 'x-forwarded-proto': 'http,http' }), { told: /^http:/ })
  const set = await address({ publicUrl: 'https://run.example.org' }, forwarded)
  t.equal(set.told, 'https://run.example.org/services/rexec')
  for (const host of ['evil.example/path', 'evil"><script>', 'user@evil', '']) {
    const { told, own, status } = await address({}, { 'x-forwarded-host': host })
    if (host) t.equal(status, 400, host)
    else t.equal(told, own)
  }
  t.equal((await address({}, { 'x-forwarded-proto': 'javascript' })).status, 400)
})

t.test('other content types of a form are refused', async (t) => {
  const { fetch } = await startApp(t)
  for (const type of ['multipart/form-data; boundary=x', 'text/plain', 'application/json']) {
    const answer = await fetch('/spawn', { method: 'POST', body: 'x', headers: { 'content-type': type } })
    t.equal(answer.status, 415, type)
    t.match(await answer.json(), { code: 'media_type_unsupported' })
  }
  const charset = await fetch('/spawn', {
    method: 'POST',
    body: form({ requirments: python311 }),
    headers: { 'content-type': `${FORM}; charset=utf-8` },
  })
  t.equal(charset.status, 200)
})
