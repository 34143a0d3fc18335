import t, { type Test } from 'tap'
import { RexecError } from '../../common/errors.ts'
import { createSigner, createVerifier, generateSigningKey, type Verifier } from '../../common/tokens.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { unpickle } from '../support/unpickle.ts'
import { command, type ZmtpPeer } from '../support/zmtp-peer.ts'

const INFO = JSON.stringify({ concurrency: 4, state: 'ready' })

async function nextError(t: Test, peer: ZmtpPeer, code: string) {
  const [, payload] = await peer.next()
  const event = await unpickle(payload!)
  t.match(event, { type: 'ERROR', message: new RegExp(`\\[${code}\\]$`), details: { code } })
  return event
}

/** The next CALL, whatever HEARTBEATs come before it. */
async function nextCall(server: ZmtpPeer): Promise<string[]> {
  for (;;) {
    const frames = await server.texts()
    if (frames[0] === 'CALL') return frames
  }
}

/** A call of alice that her server has been given. */
async function running({ client, server, token }: TestBroker, options = {}) {
  const alice = await server('alice', options)
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  const [, id] = await nextCall(alice)
  return { alice, peer, id: id! }
}

t.test('a credential that is none is refused (S1)', async (t) => {
  const { stranger, signer, metric } = await startBroker(t)
  const other = await startBroker(t)
  const sign = async (...args: Parameters<typeof signer.sign>) => (await signer.sign(...args)).token
  const good = await sign('server', { user: 'alice', server: 'default' }, 60)
  const [head, claims, signature] = good.split('.')
  const forged = Buffer.from(claims!, 'base64url').toString().replace('alice', 'bob')
  const cases = {
    'an exec token': await sign('exec', { user: 'alice', server: 'default' }, 60),
    expired: await sign('server', { user: 'alice', server: 'default' }, -60),
    tampered: `${head}.${Buffer.from(forged).toString('base64url')}.${signature}`,
    'of another deployment': (await other.signer.sign('server', { user: 'alice', server: 'x' }, 60)).token,
    empty: '',
  }
  for (const [what, credential] of Object.entries(cases)) {
    const peer = await stranger()
    peer.send('READY', '1', credential, INFO)
    const [verb, code, sentence] = await peer.texts()
    t.same([verb, code], ['REFUSED', 'credential_refused'], what)
    t.match(sentence, '[credential_refused]')
    await peer.closed
  }
  t.equal(await metric('rexec_broker_refused_total', { code: 'credential_refused' }), 5)
})

t.test(
  'a credential that nobody can judge now is not refused: the server may come again (S1, S7)',
  async (t) => {
    const { stranger, signer, metric } = await startBroker(t, {}, undefined, async () => {
      throw new RexecError('identity_unavailable')
    })
    const peer = await stranger()
    const { token } = await signer.sign('server', { user: 'alice', server: 'default' }, 60)
    peer.send('READY', '1', token, INFO)
    await t.rejects(peer.next(), { message: 'the connection was closed' })
    t.equal(await metric('rexec_broker_refused_total', { code: 'identity_unavailable' }), 1)
  },
)

t.test(
  'a stolen key stays in use after it was taken away: servers that it has let in are closed (S1)',
  async (t) => {
    const signer = await createSigner(await generateSigningKey())
    const keys = createVerifier(signer.publicKeys)
    let answer: 'keys' | 'none' | 'unknown' = 'keys'
    const verify: Verifier = async (kind, token) => {
      if (answer === 'keys') return keys(kind, token)
      throw new RexecError(answer === 'none' ? 'identity_unavailable' : 'token_invalid')
    }
    const { stranger, client, metric } = await startBroker(
      t,
      { tokens: { rememberSeconds: 0.1 }, servers: { heartbeatSeconds: 0.3 } },
      undefined,
      verify,
    )
    const { token: credential } = await signer.sign('server', { user: 'alice', server: 'default' }, 3600)
    const { token } = await signer.sign('exec', { user: 'alice' }, 3600)
    const mallory = await stranger()
    mallory.send('READY', '1', credential, INFO)
    t.equal((await mallory.texts())[0], 'WELCOME')
    const alice = await client()
    alice.send('', token, 'f', 'a')
    await nextCall(mallory)
    answer = 'none'
    t.same(await mallory.texts(), ['HEARTBEAT'], 'nobody can tell: nothing ends')
    answer = 'unknown'
    await nextError(t, alice, 'server_lost')
    await mallory.closed
    t.equal(await metric('rexec_broker_refused_total', { code: 'credential_refused' }), 1)
  },
)

t.test("bob's credential gives bob's calls, whatever the server calls itself (S1)", async (t) => {
  const { stranger, signer, client, token } = await startBroker(t, {}, async () => {
    return { user: 'alice', servers: [] }
  })
  const { token: credential } = await signer.sign('server', { user: 'bob', server: 'default' }, 60)
  const mallory = await stranger()
  const info = JSON.stringify({ concurrency: 4, state: 'ready', user: 'alice', sub: 'alice' })
  mallory.send('READY', '1', credential, info)
  t.equal((await mallory.texts())[0], 'WELCOME')
  const alice = await client()
  alice.send('', await token('alice'), 'f', 'secret')
  await nextError(t, alice, 'no_server')
  const bob = await client()
  bob.send('', await token('bob'), 'f', 'mine')
  t.same((await mallory.texts()).slice(2), ['f', 'mine'])
})

t.test('what is no READY closes the connection (S4)', async (t) => {
  const { stranger, signer } = await startBroker(t)
  const { token } = await signer.sign('server', { user: 'alice', server: 'default' }, 60)
  for (const frames of [
    ['EVENT', '1', 'final', 'x'],
    ['HEARTBEAT'],
    ['READY', '1', token],
    ['READY', '1', token, 'not json'],
    ['READY', '1', token, '{"concurrency":0,"state":"ready"}'],
    ['READY', '1', token, '{"concurrency":1,"state":"root"}'],
  ]) {
    const peer = await stranger()
    peer.send(...frames)
    await peer.closed
  }
  const newer = await stranger()
  newer.send('READY', '2', token, INFO)
  t.equal((await newer.texts())[0], 'REFUSED')
})

t.test('no READY in time closes the connection, PONG or not (S4)', async (t) => {
  const { stranger } = await startBroker(t, { connections: { handshakeSeconds: 0.3 } })
  const peer = await stranger()
  peer.raw(command('PING', Buffer.alloc(2)))
  await peer.closed
})

t.test('an offence against the grammar closes the connection and fails its calls (S4)', async (t) => {
  const broker = await startBroker(t)
  for (const offence of [
    ['SHUTDOWN'],
    ['READY', '1', 'x', INFO],
    ['EVENT', 'id', 'middle', 'x'],
    ['EVENT', 'id'],
    ['EVENT', 'id', 'final', 'x', 'y'],
    ['EVENT', 'id', 'more', Buffer.alloc(1024 * 1024 + 1)],
    ['EVENT', 'id', 'more', Buffer.alloc(3 * 1024 * 1024)],
    ['FRAME', 'id', '3', 'abc'],
    ['PART', 'id', 'abc'],
    ['FRAME', 'id', '3'],
    ['PART', 'id'],
    ['STATE', '{}'],
    ['STATE'],
  ]) {
    const { alice, peer, id } = await running(broker)
    alice.send(...offence.map((frame) => (frame === 'id' ? id : frame)))
    await alice.closed
    await nextError(t, peer, 'server_lost')
    peer.close()
  }
})

t.test('offences within a streamed event (S4)', async (t) => {
  const broker = await startBroker(t)
  for (const offence of [
    ['EVENT', 'id', 'more', 'another'],
    ['FRAME', 'id', '-3', 'abc'],
    ['FRAME', 'id', '2', 'abc'],
    ['PART', 'id', 'abc'],
  ]) {
    const { alice, peer, id } = await running(broker)
    alice.send('EVENT', id, 'final')
    alice.send(...offence.map((frame) => (frame === 'id' ? id : frame)))
    await alice.closed
    await nextError(t, peer, 'server_lost')
    peer.close()
  }
})

t.test('a server can only answer calls that it was given (S3)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  const mallory = await broker.server('mallory')
  for (const foreign of [id, '999', '0', '', '1x', '1'.repeat(40), '-1']) {
    mallory.send('EVENT', foreign, 'final', 'mine now')
    mallory.send('EVENT', foreign, 'final')
    mallory.send('FRAME', foreign, '3', 'abc')
    mallory.send('PART', foreign, 'abc')
  }
  const other = await broker.client()
  other.send('', await broker.token('mallory'), 'f', 'a')
  const [, own] = await mallory.texts()
  mallory.send('EVENT', own!, 'final', 'it stays connected')
  t.same(await other.texts(), ['', 'it stays connected'])
  t.equal(await broker.metric('rexec_broker_dropped_messages_total'), 28)
  alice.send('EVENT', id, 'final', 'true')
  t.same(await peer.texts(), ['', 'true'])
})

t.test('nothing follows the final event (C1, S3)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  alice.send('EVENT', id, 'final', 'end')
  alice.send('EVENT', id, 'more', 'after')
  alice.send('EVENT', id, 'final', 'after')
  t.same(await peer.texts(), ['', 'end'])
  peer.send('', await broker.token('alice'), 'f', 'b')
  const [, next] = await alice.texts()
  alice.send('EVENT', next!, 'final', 'second')
  t.same(await peer.texts(), ['', 'second'])
  t.equal(await broker.metric('rexec_broker_dropped_messages_total'), 2)
})

t.test('two connections with one credential are replicas: least outstanding first (S2, C3)', async (t) => {
  const { server, client, token, metric } = await startBroker(t)
  const one = await server('alice', { concurrency: 2 })
  const two = await server('alice', { concurrency: 2 })
  t.equal(await metric('rexec_broker_servers'), 2)
  const peer = await client()
  const bearer = await token('alice')
  for (let i = 0; i < 5; i++) peer.send('', bearer, 'f', String(i))
  const ids = [await one.texts(), await two.texts(), await one.texts(), await two.texts()]
  t.same(
    ids.map((call) => call[3]),
    ['0', '1', '2', '3'],
  )
  two.send('EVENT', ids[1]![1]!, 'final', 'x')
  t.equal((await two.texts())[3], '4', 'a free place takes the waiting call')
})

t.test('a lost server fails its calls at once, and only its own (S7)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  const replica = await broker.server('alice')
  const other = await broker.client()
  other.send('', await broker.token('alice'), 'f', 'b')
  const [, otherId] = await replica.texts()
  alice.send('EVENT', id, 'more', 'printed')
  t.same(await peer.texts(), ['', 'printed'])
  alice.close()
  await nextError(t, peer, 'server_lost')
  replica.send('EVENT', otherId!, 'final', 'fine')
  t.same(await other.texts(), ['', 'fine'])
})

t.test('a drained server says why (DRAIN)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  const replica = await broker.server('alice')
  alice.send('DRAIN', 'The server has reached its life time.')
  alice.send('STATE', '{"state":"ready","message":""}')
  const other = await broker.client()
  // The event proves that DRAIN has been read.
  alice.send('EVENT', id, 'more', 'x')
  await peer.next()
  other.send('', await broker.token('alice'), 'f', 'new')
  t.equal((await replica.texts())[3], 'new', 'new calls go elsewhere')
  alice.close()
  const { message } = await nextError(t, peer, 'server_lost')
  t.match(message, 'The server has reached its life time.')
})

t.test('a draining server is closed when its last call has ended (DRAIN)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  alice.send('DRAIN', 'enough')
  alice.send('EVENT', id, 'final', 'end')
  t.same(await peer.texts(), ['', 'end'])
  await alice.closed
})

t.test('heartbeats go both ways, and a silent server is lost (S6)', async (t) => {
  const broker = await startBroker(t, { servers: { heartbeatSeconds: 0.2, timeoutSeconds: 0.8 } })
  const { alice, peer } = await running(broker)
  for (let i = 0; i < 6; i++) {
    t.same(await alice.texts(), ['HEARTBEAT'])
    alice.send('HEARTBEAT')
  }
  await nextError(t, peer, 'server_lost')
  await alice.closed
  t.match(
    broker.log.lines.find(({ msg }) => msg === 'server lost'),
    { reason: 'silent', user: 'alice' },
  )
})

t.test('an expired credential drains its connection (S1)', async (t) => {
  const { stranger, signer, client, token } = await startBroker(t)
  const { token: credential } = await signer.sign('server', { user: 'alice', server: 'default' }, 3)
  const alice = await stranger()
  alice.send('READY', '1', credential, INFO)
  await alice.next()
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  const [, id] = await alice.texts()
  const other = await startBroker(t)
  t.ok(other, 'time goes by')
  // The connection is idle after its call, so it is closed when the credential has ended.
  alice.send('EVENT', id!, 'final', 'end')
  await peer.next()
  await alice.closed
})

t.test('a server gets no more calls than it can run (C3)', async (t) => {
  const { server, client, token } = await startBroker(t, { servers: { maxConcurrency: 2 } })
  const alice = await server('alice', { concurrency: 1000 })
  const peer = await client()
  const bearer = await token('alice')
  for (let i = 0; i < 3; i++) peer.send('', bearer, 'f', String(i))
  const [, id] = await alice.texts()
  await alice.texts()
  alice.send('EVENT', id!, 'more', 'still running')
  await peer.next()
  alice.send('EVENT', id!, 'final', 'end')
  t.equal((await alice.texts())[3], '2')
})

t.test('a token for one server reaches that server alone (C3)', async (t) => {
  const { server, client, token } = await startBroker(t, {}, async () => ({ user: 'alice', servers: [] }))
  const gpu = await server('alice', { name: 'gpu' })
  await server('alice', { name: 'default' })
  const peer = await client()
  for (let i = 0; i < 3; i++) {
    peer.send('', await token('alice', 'gpu'), 'f', String(i))
    t.equal((await gpu.texts())[3], String(i))
  }
  peer.send('', await token('alice', 'gone'), 'f', 'x')
  await nextError(t, peer, 'no_server')
})
