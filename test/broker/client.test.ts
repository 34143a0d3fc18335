import t, { type Test } from 'tap'
import { RexecError } from '../../common/errors.ts'
import { startBroker } from '../support/broker.ts'
import { unpickle } from '../support/unpickle.ts'
import { frame, frameHeader, message, type ZmtpPeer } from '../support/zmtp-peer.ts'

/** The next event, which must be an ERROR that a real Python reads. */
async function nextError(t: Test, peer: ZmtpPeer, code: string, envelope: string[] = ['']) {
  const frames = await peer.next()
  const event = await unpickle(frames.at(-1)!)
  t.same(frames.slice(0, -1).map(String), envelope)
  t.match(event, { type: 'ERROR', message: new RegExp(`\\[${code}\\]$`), details: { code } })
  return event
}

t.test('an envelope comes back with every event (C1)', async (t) => {
  const { server, client, token } = await startBroker(t)
  const alice = await server('alice')
  const proxy = await client({ type: 'ROUTER' })
  proxy.send('hop 1', 'hop 2', '', await token('alice'), 'f', 'a')
  const [, id] = await alice.texts()
  alice.send('EVENT', id!, 'more', '1')
  alice.send('EVENT', id!, 'final', '2')
  t.same(await proxy.texts(), ['hop 1', 'hop 2', '', '1'])
  t.same(await proxy.texts(), ['hop 1', 'hop 2', '', '2'])
})

t.test('what is no message of section 2 is answered or closed (C7)', async (t) => {
  const { client, token } = await startBroker(t, { messages: { maxFrames: 8 } })
  const alice = await token('alice')
  const peer = await client()
  for (const frames of [[''], ['', alice], ['', alice, 'f'], ['', alice, 'f', 'a', 'more']]) {
    peer.send(...frames)
    await nextError(t, peer, 'message_malformed')
  }
  peer.send('hop', '', alice)
  await nextError(t, peer, 'message_malformed', ['hop', ''])
  peer.send('', '', 'f', 'a')
  await nextError(t, peer, 'token_missing')
  peer.send('', 'x'.repeat(16_385), 'f', 'a')
  await nextError(t, peer, 'token_invalid')
  peer.send('', ...'12345678')
  await nextError(t, peer, 'message_malformed')
  await peer.closed

  const nameless = await client()
  nameless.send('no', 'delimiter')
  await nameless.closed
})

t.test('a token must be proven (C2)', async (t) => {
  const { client, signer, server } = await startBroker(t)
  const alice = await server('alice')
  const other = await startBroker(t)
  const expired = await signer.sign('exec', { user: 'alice' }, -60)
  const credential = await signer.sign('server', { user: 'alice', server: 'default' }, 60)
  const good = (await signer.sign('exec', { user: 'alice' }, 60)).token
  const [head, claims, signature] = good.split('.')
  const mallory = Buffer.from(claims!, 'base64url').toString().replace('alice', 'bob')
  const tampered = `${head}.${Buffer.from(mallory).toString('base64url')}.${signature}`
  const unsigned = `${Buffer.from('{"alg":"none","typ":"rexec-exec+jwt"}').toString('base64url')}.${claims}.`
  const peer = await client()
  for (const [what, token, code] of [
    ['expired', expired.token, 'token_invalid'],
    ['a server credential', credential.token, 'token_wrong_kind'],
    ['claims changed', tampered, 'token_invalid'],
    ['no signature', unsigned, 'token_invalid'],
    ['of another deployment', await other.token('alice'), 'token_invalid'],
    ['not even a JWT', 'hello', 'token_invalid'],
  ] as const) {
    peer.send('', token, 'f', what)
    await nextError(t, peer, code)
  }
  peer.send('', good, 'f', 'good')
  t.same((await alice.texts()).slice(2), ['f', 'good'])
})

t.test('a foreign token is shown to the proxy once, and remembered (C2)', async (t) => {
  const asked: string[] = []
  const { client, server } = await startBroker(t, {}, async (token) => {
    asked.push(token)
    if (token === 'hub-token') return { user: 'alice', servers: [] }
    throw new RexecError('not_allowed')
  })
  const alice = await server('alice')
  const peers = await Promise.all([client(), client(), client()])
  for (const peer of peers) peer.send('', 'hub-token', 'f', 'a')
  for (const _ of peers) t.equal((await alice.texts())[0], 'CALL')
  t.same(asked, ['hub-token'])
  for (let i = 0; i < 2; i++) {
    peers[0]!.send('', 'mallory', 'f', 'a')
    await nextError(t, peers[0]!, 'not_allowed')
  }
  t.same(asked, ['hub-token', 'mallory'])
})

t.test("one user's slow check does not delay another's call (C2)", async (t) => {
  let answer = () => {}
  const waiting = new Promise<void>((resolve) => {
    answer = resolve
  })
  const { client, server, token } = await startBroker(t, {}, async () => {
    await waiting
    return { user: 'bob', servers: [] }
  })
  const alice = await server('alice')
  const bob = await server('bob')
  const slow = await client()
  const quick = await client()
  slow.send('', 'slow', 'f', '1')
  slow.send('', 'slow', 'f', '2')
  quick.send('', await token('alice'), 'f', 'a')
  t.equal((await alice.texts())[0], 'CALL')
  answer()
  t.same((await bob.texts()).slice(2), ['f', '1'], 'in the order of arrival')
  t.same((await bob.texts()).slice(2), ['f', '2'])
})

t.test('too many checks at once are refused, not queued (P5)', async (t) => {
  const { client } = await startBroker(t, { tokens: { maxChecks: 1 } }, () => new Promise(() => {}))
  const first = await client()
  const second = await client()
  first.send('', 'one', 'f', 'a')
  second.send('', 'two', 'f', 'a')
  const peers = [first, second]
  const { frames } = await Promise.race(peers.map(async (peer) => ({ frames: await peer.next() })))
  t.match(await unpickle(frames.at(-1)!), { details: { code: 'broker_overloaded' } })
})

t.test('foreign tokens can be switched off (C2)', async (t) => {
  const { client } = await startBroker(t, { acceptIdentityTokens: false }, async () => {
    throw new Error('asked')
  })
  const peer = await client()
  peer.send('', 'hub-token', 'f', 'a')
  await nextError(t, peer, 'token_wrong_kind')
})

t.test('a cancel reaches the server, whose final event still comes (C5)', async (t) => {
  const { client, server, token } = await startBroker(t)
  const alice = await server('alice')
  const peer = await client()
  const bearer = await token('alice')
  peer.send('', bearer, 'f', 'a')
  peer.send('other', '', bearer, 'f', 'b')
  const [, id] = await alice.texts()
  const [, other] = await alice.texts()
  peer.send('', bearer, '__REXEC_CANCEL__', 'keyboard_interrupt')
  peer.send('', bearer, '__REXEC_CANCEL__', 'again')
  t.same(await alice.texts(), ['CANCEL', id, 'keyboard_interrupt'])
  alice.send('EVENT', id!, 'final', 'cancelled')
  t.same(await peer.texts(), ['', 'cancelled'])
  alice.send('EVENT', other!, 'final', 'done')
  t.same(await peer.texts(), ['other', '', 'done'], 'another envelope is another caller')
})

t.test('a cancel of a waiting call ends it at once (C5)', async (t) => {
  const { client, server, token, metric } = await startBroker(t)
  const alice = await server('alice', { state: 'installing' })
  const peer = await client()
  const bearer = await token('alice')
  peer.send('', bearer, 'f', 'a')
  peer.send('', bearer, '__REXEC_CANCEL__', 'keyboard_interrupt')
  const [, payload] = await peer.next()
  t.same(await unpickle(payload!), { type: 'END', cancelled: true, reason: 'keyboard_interrupt' })
  t.equal(await metric('rexec_broker_calls_total', { outcome: 'cancelled' }), 1)
  peer.send('', bearer, 'f', 'b')
  alice.send('STATE', '{"state":"ready","message":""}')
  t.same((await alice.texts()).slice(2), ['f', 'b'])
})

t.test("a token of bob cannot cancel alice's call on the same connection (C5)", async (t) => {
  const { client, server, token } = await startBroker(t)
  const alice = await server('alice')
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  const [, id] = await alice.texts()
  peer.send('', await token('bob'), '__REXEC_CANCEL__', 'x')
  peer.send('', await token('alice'), '__REXEC_CANCEL__', 'mine')
  t.same(await alice.texts(), ['CANCEL', id, 'mine'])
})

t.test('a client that leaves cancels its calls, and what comes after is dropped (C6, S5)', async (t) => {
  const { client, server, token, metric } = await startBroker(t)
  const alice = await server('alice', { concurrency: 1 })
  const peer = await client()
  const stays = await client()
  const bearer = await token('alice')
  peer.send('', bearer, 'f', 'a')
  const [, id] = await alice.texts()
  stays.send('', bearer, 'f', 'b')
  peer.close()
  t.same(await alice.texts(), ['CANCEL', id, 'client gone'])
  alice.send('EVENT', id!, 'more', 'late')
  alice.send('EVENT', id!, 'final', 'cancelled')
  const [verb, next] = await alice.texts()
  t.equal(verb, 'CALL', 'the place is free again')
  alice.send('EVENT', next!, 'final', 'done')
  t.same(await stays.texts(), ['', 'done'])
  t.equal(await metric('rexec_broker_dropped_messages_total'), 0)
  t.equal(await metric('rexec_broker_calls_total', { outcome: 'client_gone' }), 1)
})

t.test('too large a message is refused before it has come, whole or as a stream (P5, C7)', async (t) => {
  const { client, server, token } = await startBroker(t, {
    messages: { maxBytes: 100_000, cutThroughBytes: 1024 },
  })
  const alice = await server('alice')
  const bearer = await token('alice')
  const peer = await client()
  peer.raw(frame('', 1), frame(bearer, 1), frame('f', 1), frameHeader(100_001))
  await nextError(t, peer, 'message_too_large')
  await peer.closed

  const streams = await client()
  streams.raw(frame('', 1), frame(bearer, 1), frame(Buffer.alloc(60_000), 1), frameHeader(60_000))
  await nextError(t, streams, 'message_too_large')
  const [, id] = await alice.texts()
  t.same((await alice.texts())[0], 'FRAME')
  t.same(await alice.texts(), ['CANCEL', id, 'message_too_large'])
})

t.test('a stream with too few or too many frames ends its call (C7)', async (t) => {
  const { client, server, token } = await startBroker(t, { messages: { cutThroughBytes: 1024 } })
  const alice = await server('alice')
  const bearer = await token('alice')
  const large = Buffer.alloc(2000)
  for (const body of [[large], [large, 'a', 'more'], ['f', large, 'more']]) {
    const peer = await client()
    peer.send('', bearer, ...body)
    await nextError(t, peer, 'message_malformed')
    while ((await alice.texts())[0] !== 'CANCEL');
    await peer.closed
  }
  const peer = await client()
  peer.send('', bearer, 'f', 'a', large)
  await nextError(t, peer, 'message_malformed')
})

t.test('refusals are logged once in a while, without what was shown', async (t) => {
  const { client, log, metric } = await startBroker(t)
  const peer = await client()
  for (let i = 0; i < 20; i++) {
    peer.send('', `stolen-token-${i}`, 'secret function', 'secret arguments')
    await peer.next()
  }
  const lines = log.lines.filter(({ msg }) => msg === 'client message refused')
  t.match(lines, [{ code: 'token_invalid', address: '127.0.0.1' }])
  t.equal(lines.length, 1)
  t.notMatch(log.text(), /stolen|secret/)
  t.equal(await metric('rexec_broker_refused_total', { code: 'token_invalid' }), 20)
})

t.test('a flood of bad messages that reads no answer is held back (P6)', async (t) => {
  const { client, metric } = await startBroker(t, { buffers: { connectionBytes: 4096 } })
  const peer = await client()
  peer.socket.pause()
  const bad = message(['', 'token', 'f'])
  const flood = Buffer.concat(Array.from({ length: 4000 }, () => bad))
  const blocked = new Promise<void>((resolve) => {
    const more = () => (peer.socket.write(flood) ? setImmediate(more) : resolve())
    more()
  })
  await blocked
  t.ok((await metric('rexec_broker_buffered_bytes')) < 1024 * 1024)
  peer.socket.resume()
  await nextError(t, peer, 'message_malformed')
})
