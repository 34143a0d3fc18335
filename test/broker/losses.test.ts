import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { ProxyClient } from '../../broker/proxy-client.ts'
import { createReviewServer, type ReviewServer } from '../../broker/server-review.ts'
import type { ServerReview } from '../../common/server-review.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { keptLog } from '../support/log.ts'
import { unpickle } from '../support/unpickle.ts'
import { frame, frameHeader, type ZmtpPeer } from '../support/zmtp-peer.ts'

type Settings = Parameters<typeof startBroker>[1]
const start = (t: Test, reviewServer: ReviewServer, settings: Settings = {}) =>
  startBroker(t, settings, undefined, undefined, reviewServer)

const nextEvent = async (peer: ZmtpPeer) => unpickle((await peer.next()).at(-1)!)

/** A call of alice that her server runs; with a credential that another one has shown. */
async function running({ client, server, stranger, token }: TestBroker, credential?: string) {
  const alice = credential ? await stranger() : await server('alice', { name: 'lab' })
  if (credential) {
    alice.send('READY', '1', credential, JSON.stringify({ concurrency: 4, state: 'ready' }))
    await alice.texts()
  }
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  await alice.texts()
  return { alice, peer }
}

const state = (phase: ServerReview['phase'], message: string, code?: string): ServerReview => ({
  user: 'alice',
  name: 'lab',
  phase,
  message,
  ...(code && { code }),
})

t.test('calls of a server that is gone end with the reason that the proxy knows (C11)', async (t) => {
  const cases: [review: ServerReview | undefined, code: string, message: RegExp][] = [
    [
      state('failed', 'It used more disk than its limit. [evicted]', 'evicted'),
      'evicted',
      /^It used .*\[evicted\]$/,
    ],
    [
      state('failed', 'Something new.', 'not-of-ours'),
      'server_failed',
      /^Something new\. .*\[server_failed\]$/,
    ],
    [
      state('stopped', 'Its life time of 30 seconds is over.'),
      'server_stopping',
      /^Its life time of 30 seconds/,
    ],
    [
      state('stopping', 'It is being stopped.', 'server_stopping'),
      'server_stopping',
      /^It is being stopped\./,
    ],
    [
      state('stopping', 'Its node n1 does not answer.', 'node_lost'),
      'node_lost',
      /^Its node n1 does not answer/,
    ],
    [state('stopping', 'It is ending.'), 'server_lost', /^The connection to your server was lost/],
    [state('ready', ''), 'server_lost', /^The connection to your server was lost/],
    [
      state('ready', '1 of 2 replicas failed: Why.'),
      'server_lost',
      /^1 of 2 replicas failed: Why\. The connection/,
    ],
    [
      { ...state('failed', 'Why', 'evicted'), user: 'bob' },
      'server_lost',
      /^The connection to your server was lost/,
    ],
    [undefined, 'server_lost', /^The connection to your server was lost/],
  ]
  let review: ServerReview | undefined
  const asked: unknown[] = []
  const broker = await start(t, async (...of) => {
    asked.push(of)
    return review
  })
  for (const [known, code, message] of cases) {
    review = known
    const { alice, peer } = await running(broker)
    alice.close()
    t.match(await nextEvent(peer), { type: 'ERROR', message, details: { code } })
  }
  const [[credential, seconds]] = asked as [[string, number]]
  t.match(JSON.parse(Buffer.from(credential.split('.')[1]!, 'base64url').toString()), {
    sub: 'alice',
    server: 'lab',
  })
  t.equal(seconds, 3, 'servers.reasonSeconds')
})

t.test(
  'a server that says that it has failed, and leaves its calls: the proxy knows better (C11)',
  async (t) => {
    const broker = await start(t, async () =>
      state('failed', 'It used more memory than 1Gi.', 'out_of_memory'),
    )
    const { alice, peer } = await running(broker)
    alice.send('STATE', JSON.stringify({ state: 'failed', message: 'Gone.', code: 'worker_lost' }))
    await alice.closed
    t.match(await nextEvent(peer), { message: /^It used more memory/, details: { code: 'out_of_memory' } })

    const alone = await start(t, async () => undefined)
    const other = await running(alone)
    other.alice.send('STATE', JSON.stringify({ state: 'failed', message: 'Gone.', code: 'worker_lost' }))
    t.match(await nextEvent(other.peer), { message: /^Gone\. /, details: { code: 'worker_lost' } })
  },
)

t.test('while it is asked for, the client can cancel, send on and go; nobody else waits', async (t) => {
  const answer = Promise.withResolvers<ServerReview | undefined>()
  const broker = await start(t, () => answer.promise)
  const { alice, peer } = await running(broker)
  const bearer = await broker.token('alice')
  const large = await broker.client()
  const size = 8 * 1024 * 1024
  large.raw(frame('', 1), frame(bearer, 1), frame('f', 1), frameHeader(size))
  await alice.texts()
  alice.close()
  // What is left of a call that still comes is read, and dropped.
  large.raw(Buffer.alloc(size))
  const next = await broker.server('alice', { name: 'lab' })
  peer.send('', bearer, 'f', 'new')
  t.equal((await next.texts()).at(-1), 'new')
  peer.send('', bearer, '__REXEC_CANCEL__', 'enough')
  t.match(await nextEvent(peer), { type: 'END', cancelled: true })
  answer.resolve(undefined)
  t.match(await nextEvent(large), { details: { code: 'server_lost' } })
})

t.test('nobody is asked when that is switched off, or for more servers at once than set', async (t) => {
  const off = await start(t, () => Promise.reject(new Error('asked')), { servers: { reasonSeconds: 0 } })
  const one = await running(off)
  one.alice.close()
  t.match(await nextEvent(one.peer), { details: { code: 'server_lost' } })

  const answer = Promise.withResolvers<ServerReview>()
  const asked = Promise.withResolvers<void>()
  const full = await start(
    t,
    () => {
      asked.resolve()
      return answer.promise
    },
    { servers: { maxReasons: 1 } },
  )
  const first = await running(full)
  first.alice.close()
  await asked.promise
  const second = await running(full)
  second.alice.close()
  t.match(await nextEvent(second.peer), { details: { code: 'server_lost' } })
  answer.resolve(state('failed', 'Why.', 'evicted'))
  t.match(await nextEvent(first.peer), { details: { code: 'evicted' } })
})

t.test('a user who drops connections of one server again and again has it asked for once', async (t) => {
  const answer = Promise.withResolvers<ServerReview>()
  const asked: string[] = []
  const review: ReviewServer = (credential) => {
    asked.push(credential)
    return answer.promise
  }
  const broker = await start(t, review, { servers: { maxReasons: 2 } })
  const { token: credential } = await broker.signer.sign('server', { user: 'alice', server: 'lab' }, 3600)
  const dropped: ZmtpPeer[] = []
  for (let round = 0; round < 4; round++) {
    const { alice, peer } = await running(broker, credential)
    alice.close()
    dropped.push(peer)
  }
  const other = await running(broker)
  other.alice.close()
  const lost = () => broker.log.lines.filter(({ msg }) => msg === 'server lost').length
  while (lost() < 5) await new Promise(setImmediate)
  answer.resolve(state('failed', 'Why.', 'evicted'))
  for (const peer of [...dropped, other.peer])
    t.match(await nextEvent(peer), { details: { code: 'evicted' } }, 'also of what has been lost after it')
  t.equal(asked.length, 2)
  const { alice, peer } = await running(broker, credential)
  alice.close()
  await nextEvent(peer)
  t.equal(asked.length, 3, 'later it is asked for anew')
})

t.test('a broker that stops waits for the reason while it drains, and then no more', async (t) => {
  const asked = Promise.withResolvers<void>()
  const broker = await start(
    t,
    () => {
      asked.resolve()
      return new Promise(() => {})
    },
    { drainSeconds: 0.2 },
  )
  const { alice, peer } = await running(broker)
  alice.close()
  await asked.promise
  await broker.broker.drain()
  const told = nextEvent(peer)
  await broker.broker.close()
  t.match(await told, { details: { code: 'server_lost' } })
})

t.test('how the proxy is asked: secrets only where they belong, and no answer is no error', async (t) => {
  const CREDENTIAL = 'broker-credential-1234567890'
  const SERVER = 'header.of-a-server.signature'
  let answer: (request: IncomingMessage, response: ServerResponse) => unknown = () => {}
  const server = createServer((request, response) => void answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const log = keptLog()
  const reviewWithin = (timeout: number) => {
    const url = `http://127.0.0.1:${port}/rexec`
    return createReviewServer(new ProxyClient({ url, credential: CREDENTIAL, timeout }), log.logger)
  }
  const review = reviewWithin(60_000)

  const known = state('failed', 'why', 'evicted')
  answer = async (request, response) => {
    t.equal(request.url, '/rexec/api/v1/server-reviews')
    t.equal(request.headers.authorization, `Bearer ${CREDENTIAL}`)
    t.same(JSON.parse(await text(request)), { credential: SERVER, waitSeconds: 3 })
    response.end(JSON.stringify(known))
  }
  t.same(await review(SERVER, 3), known)
  for (const bad of [
    (_: unknown, response: ServerResponse) => response.writeHead(404).end('{"code":"server_not_found"}'),
    (_: unknown, response: ServerResponse) => response.writeHead(401).end('{"code":"token_invalid"}'),
    (_: unknown, response: ServerResponse) => response.end('{"user":"alice","phase":"odd"}'),
    (_: unknown, response: ServerResponse) => response.end('no json'),
    (_: unknown, response: ServerResponse) => response.destroy(),
  ]) {
    answer = bad
    t.equal(await review(SERVER, 3), undefined)
  }
  answer = () => {}
  t.equal(await reviewWithin(300)(SERVER, 3), undefined)
  t.equal(log.lines.length, 5, 'a server that is not there any more is nothing to warn of')
  t.notMatch(log.text(), CREDENTIAL)
  t.notMatch(log.text(), SERVER)
})
