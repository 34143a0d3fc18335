import t from 'tap'
import { freePort } from '../support/free-port.ts'
import { startLocalService } from '../support/local-service.ts'
import { rexec } from '../support/rexec-command.ts'

t.test('a call as a user makes it, from the first request to the result', async (t) => {
  const service = await startLocalService(t)
  const { url, token } = service.as('alice')
  const call = (token: string, ...args: string[]) =>
    rexec(t, ['call', '--url', url, ...args], { REXEC_TOKEN: token, JUPYTERHUB_API_TOKEN: undefined }).ended
  const servers = async () => {
    const answer = await fetch(`${url}/api/v1/servers`, { headers: { authorization: `Bearer ${token}` } })
    return ((await answer.json()) as { servers: { phase: string }[] }).servers
  }

  const done = await call(token)
  t.match(done, {
    code: 0,
    stderr: '',
    stdout: /ready: [\s\S]*computed the right answer, over the broker tcp:/,
  })
  t.notOk(
    (await servers()).some(({ phase }) => phase === 'ready'),
    'its server is stopped',
  )

  const refused = await call('a-token-that-nobody-has')
  t.match(refused, { code: 1, stderr: /token_invalid/ })
  t.notMatch(refused.stderr, 'a-token-that-nobody-has')
  t.match(await call(token, '--python', '3.1'), { code: 1, stderr: /python_not_allowed/ })
  t.match(await call(token, '--profile', 'gpu'), { code: 1, stderr: /no profile gpu/ })
})

t.test('what cannot be is said', async (t) => {
  const call = (args: string[], env: Record<string, string | undefined>) =>
    rexec(t, ['call', ...args], { JUPYTERHUB_API_TOKEN: undefined, ...env }).ended
  t.match(await call([], {}), { code: 2, stderr: /--url URL/ })
  const url = `http://127.0.0.1:${await freePort()}/services/rexec`
  t.match(await call(['--url', url], {}), { code: 2, stderr: /REXEC_TOKEN_FILE/ })
  const away = await call(['--url', url, '--timeout', '5'], {
    REXEC_TOKEN: 'secret-token',
  })
  t.match(away, { code: 1, stderr: /ECONNREFUSED/ })
  t.notMatch(away.stderr, 'secret-token')
})
