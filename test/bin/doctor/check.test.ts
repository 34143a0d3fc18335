import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type Check, fail, ok, reasonOf, runChecks, warn } from '../../../bin/doctor/check.ts'
import { clockOf } from '../../../bin/doctor/clock.ts'
import { ask } from '../../../bin/doctor/http.ts'
import { identityApiChecks } from '../../../bin/doctor/identity.ts'
import { probeCall } from '../../../bin/doctor/probe-call.ts'
import { reachBroker, reachBrokers } from '../../../bin/doctor/reach.ts'
import { asJson, asText, isWell } from '../../../bin/doctor/report.ts'
import { RexecError } from '../../../common/errors.ts'
import { checkSettings } from '../../../common/settings.ts'
import { createSigner, generateSigningKey } from '../../../common/tokens.ts'
import { IdentitySettings } from '../../../proxy/identity/settings.ts'
import { startBroker } from '../../support/broker.ts'

const named = (name: string, run: Check['run']): Check => ({ group: 'g', name, todo: 'do this', run })

/** Resolves with its port. */
async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

t.test('checks do not depend on one another, and each ends in its time', async (t) => {
  const results = await runChecks(
    [
      named('good', async () => [ok('a'), warn('b')]),
      named('throws', async () => {
        throw new Error('it went wrong: token=0123456789abcdef', { cause: undefined })
      }),
      named('never', () => new Promise(() => {})),
      named('minds', async (signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        return fail('nobody answered me')
      }),
    ],
    0.2,
  )
  t.same(
    results.map(({ check, level, what }) => [check, level, what]),
    [
      ['good', 'ok', 'a'],
      ['good', 'warn', 'b'],
      ['throws', 'fail', 'throws: it went wrong: token=[redacted]'],
      ['never', 'fail', 'never: no answer after 0.2 s'],
      ['minds', 'fail', 'nobody answered me'],
    ],
  )
  t.equal(results[2]?.todo, 'do this')
})

t.test('reasons are said in words', async (t) => {
  const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
  t.match(reasonOf(new TypeError('fetch failed', { cause: refused })), /nothing listens there/)
  t.match(
    reasonOf(Object.assign(new Error('x'), { code: 'SELF_SIGNED_CERT_IN_CHAIN' })),
    /NODE_EXTRA_CA_CERTS/,
  )
  t.match(reasonOf(new RexecError('no_server', undefined, { cause: refused })), /no running server/)
  t.equal(reasonOf({}), 'unknown reason')
})

t.test('what others have written cannot write elsewhere on the terminal', async (t) => {
  const results = [{ group: 'g', check: 'c', ...fail('a\u001b[2Jb\r\nFAKE  ok\u202e', 'do\nthis') }]
  const text = asText(results, { stream: process.stdout })
  t.match(text, /FAIL.*a \[2Jb FAKE {2}ok \n {8}-> do this\n/)
  t.notOk(text.includes('\u001b[2J'))
  t.match(JSON.parse(asJson(results)), { ok: false, results: [{ level: 'fail', todo: 'do\nthis' }] })
  t.equal(isWell([{ group: 'g', check: 'c', ...warn('w') }]), true)
})

t.test('clocks', async (t) => {
  const at = (seconds: number) => new Headers({ date: new Date(Date.now() + seconds * 1000).toUTCString() })
  t.match(clockOf(at(0), 'X'), { level: 'ok' })
  t.match(clockOf(at(3600), 'X'), { level: 'warn', what: /this clock is 3(599|600|601) s behind that of X/ })
  t.match(clockOf({ date: 'Thu, 01 Jan 1970 00:00:00 GMT' }, 'X'), { level: 'warn', what: /s ahead of/ })
  t.match(clockOf({}, 'X'), { level: 'warn', what: /does not say what time it is/ })
})

t.test('each broker of a name is looked at', async (t) => {
  const { broker } = await startBroker(t)
  const { port } = new URL(broker.serverAddress)
  const two = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }))
  const never = new AbortController().signal
  t.match(await reachBrokers(`tcp://brokers.test:${port}`, 'servers', never, async () => two), [
    { level: 'ok', what: `the broker for servers answers at tcp://127.0.0.1:${port}` },
    { level: 'fail', what: new RegExp(`tcp://127.0.0.2:${port}: nothing listens there`) },
  ])
})

t.test('a broker that is none, and what it may do to the doctor', async (t) => {
  const never = new AbortController().signal
  const sockets = new Set<Socket>()
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
  })
  const server = async (answer: (socket: Socket) => void) => {
    const port = await listen(
      t,
      createServer((socket) => {
        sockets.add(socket.on('error', () => {}))
        answer(socket)
      }),
    )
    return `tcp://127.0.0.1:${port}`
  }
  const greeting = Buffer.alloc(64)
  greeting[0] = 0xff
  greeting[9] = 0x7f
  greeting[10] = 3

  t.test('one that closes at once, or speaks HTTP', async (t) => {
    const closes = await server((socket) => socket.end())
    t.match(await reachBroker(closes, 'x', never), { level: 'fail', what: /no broker/ })
    const http = await server((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    t.match(await reachBroker(http, 'x', never), { level: 'fail', what: /no broker/ })
  })

  t.test('one that says nothing', async (t) => {
    const silent = await server(() => {})
    const soon = AbortSignal.timeout(100)
    t.match(await reachBroker(silent, 'x', soon), { level: 'fail', what: /no answer in time/ })
  })

  t.test('a name that nobody knows', async (t) => {
    const finding = await reachBroker('tcp://nowhere.invalid:5559', 'x', never)
    t.match(finding, { level: 'fail', what: /nowhere\.invalid:5559: the name / })
  })

  t.test('one that announces a frame larger than memory', async (t) => {
    const large = Buffer.from('02ffffffffffffffff', 'hex')
    const huge = await server((socket) => socket.write(Buffer.concat([greeting, large])))
    const signer = await createSigner(await generateSigningKey())
    t.match(await probeCall(huge, signer, 'alice', never), { level: 'fail', what: /the answer is too long/ })
  })

  t.test('a real broker with other keys, and one with these', async (t) => {
    const { broker, signer } = await startBroker(t, {}, async () => ({ user: 'alice', servers: [] }))
    const stranger = await createSigner(await generateSigningKey())
    const call = (by: typeof signer) => probeCall(broker.clientAddress, by, 'alice', never)
    t.match(await call(signer), { level: 'ok' })
    t.match(await call(stranger), { level: 'fail', what: /it has other keys/ })
  })
})

t.test('an answer without an end is not read to it', async (t) => {
  const port = await listen(
    t,
    createHttpServer((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    }) as unknown as Server,
  )
  const { text, json } = await ask(`http://127.0.0.1:${port}/`, { signal: new AbortController().signal })
  t.ok(text.length >= 1024 * 1024 && text.length < 4 * 1024 * 1024)
  t.same(json, {})
})

t.test('an identity service', async (t) => {
  const port = await listen(
    t,
    createHttpServer((_request, response) => response.writeHead(401).end('{}')) as unknown as Server,
  )
  const look = (url: string) => {
    const settings = { authenticators: ['identity-api'], identityApi: { url } }
    return runChecks(identityApiChecks(checkSettings(IdentitySettings, settings)), 10)
  }
  t.match(await look(`http://127.0.0.1:${port}/me`), [{ level: 'ok' }])
  t.match(await look('http://127.0.0.1:1/me'), [{ level: 'fail', todo: /networkPolicy\.egress/ }])
})
