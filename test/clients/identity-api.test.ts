import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { client, findClient } from '../support/clients.ts'
import { type Asked, startFakeIdentityApi } from '../support/fake-identity-api.ts'
import { openNotebook } from '../support/notebook.ts'
import { findProcesses } from '../support/processes.ts'
import { startSeparateService } from '../support/separate-service.ts'

const ALICE = 'identity-token-of-alice-7f3a'
const BOB = 'identity-token-of-bob-91cc'
/** As the Rexec identity service answers. */
const USERS: Record<string, object> = {
  [ALICE]: { sub: '5b0c-alice', username: 'alice', roles: [], groups: ['/science'] },
  // Upstream made this the user "unknown", whom all such tokens shared.
  [BOB]: { username: 'bob', roles: [], groups: [] },
}

const { python, skip } = await findClient(client)

for (const method of ['get', 'post'] as const) {
  t.test(`identity tokens, asked for with ${method}`, { skip }, async (t) => {
    const identityApi = await startFakeIdentityApi(({ body, authorization }: Asked) => {
      const token = method === 'get' ? authorization?.replace('Bearer ', '') : JSON.parse(body || '{}').token
      return USERS[token] ?? 401
    })
    t.teardown(() => identityApi.close())
    const service = await startSeparateService(t, {
      proxy: {
        identity: {
          authenticators: ['identity-api'],
          identityApi: { url: identityApi.url, method },
          cacheSeconds: 0,
          refusedCacheSeconds: 0,
        },
      },
    })
    const connect = (token: string) => openNotebook(t, python, { ...service, token }, client)
    const alice = connect(ALICE)

    await t.test('the client shows its identity token to proxy and broker', async (t) => {
      t.match(await alice.run('set_environment(PYTHON)'), { status: 200, Username: '5b0c-alice' })
      t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
      t.equal(await alice.run('remote_func(lambda: 43)()'), 43)
    })

    await t.test('a token without a user is refused, whatever else the answer says', async (t) => {
      const bob = connect(BOB)
      t.match(await bob.run('set_environment(PYTHON)'), { status: 401, code: 'token_invalid' })
      t.match(await bob.raises('remote_func(lambda: 42)()'), { message: /\[token_invalid\]$/ })
    })

    await t.test('the token is nowhere that others can read', async (t) => {
      const processes = await findProcesses([service.folder])
      t.ok(processes.length >= 4, 'proxy, broker, agent and worker')
      for (const { pid, command } of processes) {
        for (const file of ['cmdline', 'environ']) {
          const text = await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
          t.notOk(text.includes(ALICE), `${file} of ${command}`)
        }
      }
      const files = await readdir(service.folder, { recursive: true, withFileTypes: true })
      for (const file of files.filter((entry) => entry.isFile() && !entry.parentPath.includes('/lib/'))) {
        const path = join(file.parentPath, file.name)
        if ((await readFile(path)).includes(ALICE)) t.fail(path)
      }
    })

    await t.test('the identity service is down: 503, and nothing against the token', async (t) => {
      await identityApi.close()
      const asked = await alice.run<{ status: number; detail: string }>('set_environment(PYTHON)')
      t.match(asked, {
        status: 503,
        code: 'identity_unavailable',
        detail: /Nothing is wrong with your token/,
      })
      const error = await alice.raises('remote_func(lambda: 42)()')
      t.match(error, {
        name: 'RuntimeError',
        message: /Nothing is wrong with your token.*\[identity_unavailable\]$/,
      })
      t.notMatch(error.message + asked.detail, ALICE)
    })

    await service.stop()
    t.match(service.log(), /"msg":"listening"/)
    for (const token of [ALICE, BOB]) t.notMatch(service.log(), token, 'no token is in a log')
  })
}
