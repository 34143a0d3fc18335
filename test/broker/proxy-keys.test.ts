import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { ProxyClient } from '../../broker/proxy-client.ts'
import { ProxyKeys } from '../../broker/proxy-keys.ts'
import { createSigner, generateSigningKey } from '../../common/tokens.ts'
import { keptLog } from '../support/log.ts'

const first = await createSigner(await generateSigningKey())
const second = await createSigner(await generateSigningKey())
const tokenBy = async ({ sign }: typeof first) => (await sign('exec', { user: 'alice' }, 60)).token

/** A proxy whose answer the test sets, and keys that are read from it. */
async function start(
  t: Test,
  options: {
    pause?: number
    refresh?: number
    timeout?: number
    answer?: (response: ServerResponse) => void
  } = {},
) {
  const proxy = {
    answer:
      options.answer ??
      ((response: ServerResponse): void => void response.end(JSON.stringify(first.publicKeys))),
    asked: 0,
    /** When it was (performance.now). */
    times: [] as number[],
    /** Resolves at the next question. */
    next: Promise.withResolvers<void>(),
  }
  const server = createServer((request, response) => {
    t.equal(request.url, '/services/rexec/.well-known/jwks.json')
    t.notOk(request.headers.authorization, 'shows no credential')
    proxy.asked++
    proxy.times.push(performance.now())
    proxy.next.resolve()
    proxy.next = Promise.withResolvers()
    proxy.answer(response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  const log = keptLog()
  const client = new ProxyClient({
    url: `http://127.0.0.1:${port}/services/rexec/`,
    credential: 'broker-credential-1234567890',
    timeout: options.timeout ?? 10_000,
  })
  const { pause = 10, refresh = 3_600_000 } = options
  const keys = new ProxyKeys({ proxy: client, pause, refresh, maxWaiting: 100, logger: log.logger })
  t.teardown(async () => {
    await keys.close()
    server.closeAllConnections()
    server.close()
  })
  return { proxy, client, keys, log }
}

t.test('keys come from the proxy, and are not asked for again for every token', async (t) => {
  const { proxy, client, keys } = await start(t)
  await keys.known
  t.ok(keys.areKnown)
  t.equal(client.lately, 'ok')
  const token = await tokenBy(first)
  for (let i = 0; i < 3; i++) t.match(await keys.verify('exec', token), { user: 'alice' })
  await t.rejects(keys.verify('server', token), { code: 'token_wrong_kind' })
  await t.rejects(keys.verify('exec', 'not a token'), { code: 'token_invalid' })
  t.equal(proxy.asked, 1)
})

t.test('while the proxy gives none it is asked again, and no token is judged', async (t) => {
  const { proxy, client, keys, log } = await start(t, {
    timeout: 300,
    answer: (response) => void response.destroy(),
  })
  const token = await tokenBy(first)
  const answers: ((response: ServerResponse) => unknown)[] = [
    (response) => response.writeHead(503).end('{}'),
    (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
    (response) => response.end('not json'),
    (response) => response.end('{"keys":[]}'),
    (response) => response.end(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA', kid: '1' }] })),
    (response) => response.end(`{"keys":[],"more":"${'x'.repeat(5 * 1024 * 1024)}"}`),
    (response) => response.destroy(),
    () => {}, // silence
  ]
  for (const answer of answers) {
    proxy.answer = (response) => void answer(response)
    await proxy.next.promise
    await proxy.next.promise
    t.notOk(keys.areKnown)
    await t.rejects(keys.verify('exec', token), { code: 'identity_unavailable' })
  }
  t.equal(client.lately, 'unavailable')
  t.match(log.text(), 'the proxy did not give its public keys')
  proxy.answer = (response) => void response.end(JSON.stringify(first.publicKeys))
  await keys.known
  t.match(await keys.verify('exec', token), { user: 'alice' })
})

t.test(
  'a token by a new key is believed once the proxy publishes it; the old one goes when it is gone there',
  async (t) => {
    const { proxy, keys } = await start(t)
    await keys.known
    proxy.answer = (response) =>
      void response.end(JSON.stringify({ keys: [...second.publicKeys.keys, ...first.publicKeys.keys] }))
    t.match(await keys.verify('exec', await tokenBy(second)), { user: 'alice' })
    t.match(await keys.verify('exec', await tokenBy(first)), { user: 'alice' })
    const third = await createSigner(await generateSigningKey())
    proxy.answer = (response) => void response.end(JSON.stringify(second.publicKeys))
    await t.rejects(keys.verify('exec', await tokenBy(third)), { code: 'token_invalid' }, 'nobody knows it')
    await t.rejects(keys.verify('exec', await tokenBy(first)), { code: 'token_invalid' })
  },
)

t.test('while the proxy is away the known keys stay, and a new one is not judged', async (t) => {
  const { proxy, keys } = await start(t)
  await keys.known
  proxy.answer = (response) => void response.writeHead(502).end()
  await t.rejects(keys.verify('exec', await tokenBy(second)), { code: 'identity_unavailable' })
  t.match(await keys.verify('exec', await tokenBy(first)), { user: 'alice' })
})

t.test('keys are read again from time to time', async (t) => {
  const { proxy, keys } = await start(t, { refresh: 20 })
  await keys.known
  proxy.answer = (response) => void response.end(JSON.stringify(second.publicKeys))
  await proxy.next.promise
  await proxy.next.promise
  await t.rejects(keys.verify('exec', await tokenBy(first)), { code: 'token_invalid' })
})

t.test('made-up keys in any number make one question after the other, with a pause', async (t) => {
  const { proxy, keys } = await start(t, { pause: 200 })
  await keys.known
  const head = (kid: number) =>
    Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'rexec-exec+jwt', kid: `${kid}` })).toString('base64url')
  const codes = await Promise.all(
    Array.from({ length: 150 }, (_, kid) =>
      keys.verify('exec', `${head(kid)}.e30.AAAA`).catch((error: { code: string }) => error.code),
    ),
  )
  t.equal(proxy.asked, 2)
  t.ok(proxy.times[1]! - proxy.times[0]! >= 150, 'they waited for the pause')
  t.equal(codes.filter((code) => code === 'token_invalid').length, 100)
  t.equal(codes.filter((code) => code === 'identity_unavailable').length, 50, 'more do not wait')
})
