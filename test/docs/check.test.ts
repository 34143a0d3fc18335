import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t from 'tap'
import { probePython } from '../../proxy/cluster/local/pythons.ts'
import { freePorts } from '../support/free-port.ts'
import { startLocalService } from '../support/local-service.ts'
import { ALICE, startApp } from '../support/test-app.ts'

const CHECK = join(import.meta.dirname, '../../docs/user/check.py')
const python = await probePython('python3', process.env)
const skip = python ? false : 'no python3'

/** As a user runs it. */
function check(env: Record<string, string>): Promise<{ code: number; stdout: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      'python3',
      [CHECK],
      { env: { PATH: process.env.PATH, ...env } },
      (_error, stdout) => resolve({ code: child.exitCode ?? -1, stdout }),
    )
  })
}

t.test('beside a real service, all is well', { skip }, async (t) => {
  const service = await startLocalService(t)
  const { token } = service.as('alice')
  const { code, stdout } = await check({ REXEC_URL: service.url, REXEC_TOKEN: token })
  t.match(stdout, /^ok {4}the service: rexec \d/m)
  t.match(stdout, /^ok {4}you are alice$/m)
  t.match(stdout, /^ok {4}this is Python 3\.\d+; servers have 3\./m)
  t.match(stdout, new RegExp(`^ok {4}the broker answers at ${service.broker.client}$`, 'm'))
  t.match(stdout, /all is well\n$/)
  t.equal(code, 0)
  t.notOk(stdout.includes(token))

  const unknown = await check({ REXEC_URL: service.url, JUPYTERHUB_API_TOKEN: 'of-nobody-0123456789' })
  t.match(unknown.stdout, /^FAIL {2}refused: token_invalid\n {6}-> .*Get a new one/m)
  t.notMatch(unknown.stdout, 'of-nobody')
  t.equal(unknown.code, 1)
})

t.test('each thing that is missing is named', { skip }, async (t) => {
  const { url } = await startApp(t)
  const [closed, elsewhere] = (await freePorts(2, '127.0.0.1')) as [number, number]
  const wrong: [Record<string, string>, RegExp][] = [
    [{}, /^FAIL {2}REXEC_URL: not set\n {6}-> Set it/],
    [{ REXEC_URL: 'no address' }, /^FAIL {2}the service: unknown url type/m],
    [{ REXEC_URL: `http://127.0.0.1:${closed}/services/rexec` }, /^FAIL {2}the service: .*refused/m],
    [{ REXEC_URL: url.replace('rexec', 'other') }, /^FAIL {2}the service: .*\n {6}-> Is REXEC_URL right/m],
    [{ REXEC_URL: url }, /^FAIL {2}no token/m],
    [
      { REXEC_URL: url, REXEC_TOKEN: ALICE },
      /^FAIL {2}the broker at tcp:\/\/broker\.test:5559: the name broker\.test/m,
    ],
    [
      { REXEC_URL: (await startApp(t, brokerAt(closed))).url, REXEC_TOKEN: ALICE },
      /^FAIL {2}the broker at .*: nothing listens there$/m,
    ],
  ]
  for (const [env, line] of wrong) {
    const { code, stdout } = await check(env)
    t.match(stdout, line)
    t.match(stdout, /see above\n$/)
    t.equal(code, 1)
    t.notOk(stdout.includes(ALICE))
  }

  const noBroker = createServer((_request, response) => response.end()).listen(elsewhere, '127.0.0.1')
  t.teardown(() => noBroker.close())
  const { stdout } = await check({
    REXEC_URL: (await startApp(t, brokerAt(elsewhere))).url,
    REXEC_TOKEN: ALICE,
  })
  t.match(stdout, /^FAIL {2}the broker at .*: what answers there is no broker$/m)
})

t.test('a token follows no redirect', { skip }, async (t) => {
  const seen: string[] = []
  const thief = createServer((request, response) => {
    seen.push(request.url!)
    response.end('{"service":"rexec"}')
  })
  const hub = createServer((_request, response) => {
    response.writeHead(302, { location: `http://127.0.0.1:${port(thief)}/hub/login` }).end()
  })
  const port = (server: typeof thief) => (server.address() as { port: number }).port
  for (const server of [thief, hub]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => server.close())
  }
  const { stdout } = await check({ REXEC_URL: `http://127.0.0.1:${port(hub)}`, REXEC_TOKEN: ALICE })
  t.match(stdout, /^FAIL {2}the service: status 302$/m)
  t.same(seen, [])
})

function brokerAt(port: number) {
  const address = `tcp://127.0.0.1:${port}`
  const broker = { clientAddress: address, serverAddresses: [address], credential: 'x'.repeat(32) }
  return { settings: { broker } }
}
