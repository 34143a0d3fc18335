import { once } from 'node:events'
import t, { type Test } from 'tap'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { unpickle } from '../support/unpickle.ts'
import { command, frame, frameHeader, type ZmtpPeer } from '../support/zmtp-peer.ts'

const MiB = 1024 * 1024

async function nextError(t: Test, peer: ZmtpPeer, code: string) {
  const [, payload] = await peer.next()
  t.match(await unpickle(payload!), { type: 'ERROR', details: { code } })
}

async function running({ client, server, token }: TestBroker) {
  const alice = await server('alice')
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  const [, id] = await alice.texts()
  return { alice, peer, id: id! }
}

/** Writes `mib` MiB as fast as they are taken; ends early when the connection does. */
async function pour(peer: ZmtpPeer, mib: number, make: () => Buffer[] = () => [Buffer.alloc(MiB, 7)]) {
  for (let i = 0; i < mib && !peer.isClosed; i++)
    if (!peer.socket.write(Buffer.concat(make())))
      await Promise.race([once(peer.socket, 'drain'), peer.closed])
}

/** Memory of this process, with the broker and the peers in it, that grew in the meantime (MiB). */
function growth() {
  const before = process.memoryUsage()
  return () => {
    const now = process.memoryUsage()
    return Math.max(now.rss - before.rss, now.arrayBuffers - before.arrayBuffers) / MiB
  }
}

t.test('a client that dies in the middle of a 100 MiB frame fails that call alone (P7, C6)', async (t) => {
  const broker = await startBroker(t)
  const { alice, peer, id } = await running(broker)
  const dying = await broker.client()
  dying.raw(frame('', 1), frame(await broker.token('alice'), 1), frame('f', 1), frameHeader(100 * MiB))
  const [, large] = await alice.texts()
  await pour(dying, 30)
  dying.close()
  let got = 0
  for (;;) {
    const [verb, of, ...rest] = await alice.next()
    t.equal(of!.toString(), large)
    if (verb!.toString() === 'CANCEL') break
    got += rest.at(-1)!.length
  }
  t.ok(got <= 30 * MiB + 1)
  alice.send('EVENT', large!, 'final', 'cancelled')
  alice.send('EVENT', id, 'final', 'fine')
  t.same(await peer.texts(), ['', 'fine'])
  t.equal(await broker.metric('rexec_broker_buffered_bytes'), 0)
})

t.test(
  'the broker holds a bounded part of a 100 MiB argument for a server that does not read (P6)',
  async (t) => {
    const broker = await startBroker(t)
    const alice = await broker.server('alice')
    const peer = await broker.client()
    const other = await broker.client()
    const bob = await broker.server('bob')
    alice.socket.pause()
    const grown = growth()
    peer.raw(frame('', 1), frame(await broker.token('alice'), 1), frame('f', 1), frameHeader(100 * MiB))
    const poured = pour(peer, 100)
    // Bob's call passes meanwhile, and shows that the broker has had its turns.
    for (let i = 0; i < 50; i++) {
      other.send('', await broker.token('bob'), 'f', 'b')
      const [, id] = await bob.texts()
      bob.send('EVENT', id!, 'final', 'x')
      await other.texts()
    }
    t.ok((await broker.metric('rexec_broker_buffered_bytes')) < 8 * MiB)
    t.ok(grown() < 64, `grew by ${grown()} MiB`)
    alice.socket.resume()
    await poured
    await alice.texts()
    for (let got = 0; got < 100 * MiB + 1; ) {
      const [verb, , ...rest] = await alice.next()
      if (verb!.toString() !== 'HEARTBEAT') got += rest.at(-1)!.length
    }
  },
)

t.test(
  'the broker holds a bounded part of a 100 MiB result for a client that does not read (P6, C8)',
  async (t) => {
    const broker = await startBroker(t)
    const { alice, peer, id } = await running(broker)
    const bob = await running({
      ...broker,
      token: () => broker.token('bob'),
      server: () => broker.server('bob'),
    })
    peer.socket.pause()
    const grown = growth()
    alice.send('EVENT', id, 'final')
    alice.send('FRAME', id, String(100 * MiB), '')
    const part = Buffer.alloc(MiB, 7)
    const poured = pour(alice, 100, () => [frame('PART', 1), frame(id, 1), frame(part)])
    for (let i = 0; i < 50; i++) {
      bob.alice.send('EVENT', bob.id, 'more', 'x')
      await bob.peer.texts()
    }
    t.ok((await broker.metric('rexec_broker_buffered_bytes')) < 8 * MiB)
    t.ok(grown() < 64, `grew by ${grown()} MiB`)
    peer.socket.resume()
    await poured
    const [, payload] = await peer.next()
    t.equal(payload!.length, 100 * MiB)
  },
)

t.test('a client that reads nothing for too long loses its calls and may find out why (C8)', async (t) => {
  const broker = await startBroker(t, {
    connections: { stallSeconds: 0.5 },
    buffers: { connectionBytes: 64 * 1024 },
  })
  const { alice, peer, id } = await running(broker)
  peer.socket.pause()
  const event = Buffer.concat([frame('EVENT', 1), frame(id, 1), frame('more', 1), frame(Buffer.alloc(MiB))])
  void pour(alice, 50, () => [event])
  let verb = ''
  while (verb !== 'CANCEL') [verb = ''] = await alice.texts()
  alice.send('EVENT', id, 'final', 'cancelled')
  peer.socket.resume()
  let last: Record<string, unknown> = {}
  while (last.type !== 'ERROR') {
    const [, payload] = await peer.next()
    if (payload!.length < 1000) last = await unpickle(payload!)
  }
  t.match(last, { details: { code: 'client_too_slow' } })
  t.equal(await broker.metric('rexec_broker_calls_total', { outcome: 'client_too_slow' }), 1)
})

t.test('a client that never reads again is closed (C8)', async (t) => {
  const broker = await startBroker(t, {
    connections: { stallSeconds: 0.3 },
    servers: { heartbeatSeconds: 0.1 },
    buffers: { connectionBytes: 64 * 1024 },
  })
  const { alice, peer, id } = await running(broker)
  peer.socket.pause()
  void pour(alice, 50, () => [frame('EVENT', 1), frame(id, 1), frame('more', 1), frame(Buffer.alloc(MiB))])
  while ((await broker.metric('rexec_broker_clients')) > 0) await alice.next()
})

t.test('a server that reads nothing for too long is lost (P6)', async (t) => {
  const broker = await startBroker(t, { connections: { stallSeconds: 0.5 } })
  const alice = await broker.server('alice')
  alice.socket.pause()
  const peer = await broker.client()
  peer.raw(frame('', 1), frame(await broker.token('alice'), 1), frame('f', 1), frameHeader(100 * MiB))
  void pour(peer, 100)
  await nextError(t, peer, 'server_lost')
})

t.test(
  'a server that dies in the middle of a result: the client raises, whatever it has read (P7)',
  async (t) => {
    const broker = await startBroker(t)
    // A pickle of 2 MiB of bytes: PROTO 4, BINBYTES8, the bytes, STOP.
    const size = Buffer.alloc(8)
    size.writeBigUInt64LE(BigInt(2 * MiB))
    const pickle = Buffer.concat([
      Buffer.from([0x80, 4, 0x8e]),
      size,
      Buffer.alloc(2 * MiB, 'x'),
      Buffer.from('.'),
    ])
    for (const sent of [0, 1, 5, 12, MiB, pickle.length - 1]) {
      const { alice, peer, id } = await running(broker)
      alice.send('EVENT', id, 'final')
      alice.send('FRAME', id, String(pickle.length), pickle.subarray(0, Math.min(sent, MiB)))
      if (sent > MiB) {
        alice.send('PART', id, pickle.subarray(MiB, 2 * MiB))
        alice.send('PART', id, pickle.subarray(2 * MiB, sent))
      }
      alice.socket.end()
      const [, payload] = await peer.next()
      t.equal(payload!.length, pickle.length)
      t.ok('raised' in (await unpickle(payload!)), `after ${sent} bytes`)
      await nextError(t, peer, 'server_lost')
      peer.close()
    }
  },
)

t.test('a server that dies within one long message: the same', async (t) => {
  const broker = await startBroker(t, { messages: { cutThroughBytes: 1024 } })
  const { alice, peer, id } = await running(broker)
  alice.raw(frame('EVENT', 1), frame(id, 1), frame('final', 1), frameHeader(5000), Buffer.alloc(2000, 'x'))
  await peer.bytes(2000)
  alice.close()
  const [, payload] = await peer.next()
  t.equal(payload!.subarray(2000).toString('hex'), '00'.repeat(3000))
  await nextError(t, peer, 'server_lost')
})

t.test('results of several calls on one connection do not mix, however their parts do (P7)', async (t) => {
  const broker = await startBroker(t)
  const alice = await broker.server('alice')
  const peer = await broker.client()
  const bearer = await broker.token('alice')
  const ids: string[] = []
  for (const name of ['a', 'b', 'c']) {
    peer.send(name, '', bearer, 'f', name)
    ids.push((await alice.texts())[1]!)
  }
  const [a, b, c] = ids as [string, string, string]
  alice.send('EVENT', a, 'more')
  alice.send('FRAME', a, '6', 'aa')
  alice.send('EVENT', b, 'more')
  alice.send('EVENT', c, 'more', 'c1')
  alice.send('FRAME', b, '4', 'b')
  alice.send('PART', a, 'aa')
  alice.send('PART', b, 'bbb')
  alice.send('EVENT', b, 'final', 'b2')
  alice.send('PART', a, 'aa')
  alice.send('EVENT', a, 'final', 'a2')
  alice.send('EVENT', c, 'final')
  alice.send('FRAME', c, '0', '')
  const got: string[] = []
  for (let i = 0; i < 6; i++) got.push((await peer.texts()).join(' '))
  t.same(got, ['a  aaaaaa', 'c  c1', 'b  bbbb', 'b  b2', 'a  a2', 'c  '])
})

t.test('PONG and PING never stand within a frame that streams (P4)', async (t) => {
  const broker = await startBroker(t, { connections: { pingSeconds: 0.1, pingTimeoutSeconds: 5 } })
  const { alice, peer, id } = await running(broker)
  const handshake = peer.received
  alice.send('EVENT', id, 'final')
  alice.send('FRAME', id, '6', 'abc')
  // Past the handshake: the empty delimiter, the header and the first half.
  await peer.bytes(handshake + 2 + 2 + 3)
  peer.raw(command('PING', Buffer.from('\0\0first')), command('PING', Buffer.from('\0\0second')))
  // The broker's own PING to the server shows that the time for one to the client has come, too.
  t.equal((await alice.command()).name, 'PING')
  alice.send('PART', id, 'def')
  t.same(await peer.texts(), ['', 'abcdef'])
  t.same(await peer.command(), { name: 'PONG', data: Buffer.from('second') })
  t.equal((await peer.command()).name, 'PING')
})

t.test('too much behind a streamed result ends the call that brings it', async (t) => {
  const broker = await startBroker(t, { buffers: { connectionBytes: 4096 } })
  const alice = await broker.server('alice')
  const peer = await broker.client()
  const bearer = await broker.token('alice')
  const ids: string[] = []
  for (const name of ['a', 'b']) {
    peer.send(name, '', bearer, 'f', name)
    ids.push((await alice.texts())[1]!)
  }
  alice.send('EVENT', ids[0]!, 'final')
  alice.send('FRAME', ids[0]!, '2000', Buffer.alloc(1000, 'a'))
  alice.send('EVENT', ids[1]!, 'more', Buffer.alloc(5000))
  t.same(await alice.texts(), ['CANCEL', ids[1], 'broker_overloaded'])
  alice.send('PART', ids[0]!, Buffer.alloc(1000, 'a'))
  t.equal((await peer.next())[0]!.toString(), 'a')
  const [envelope, , payload] = await peer.next()
  t.equal(envelope!.toString(), 'b')
  t.match(await unpickle(payload!), { details: { code: 'broker_overloaded' } })
})

t.test('above the total of buffered bytes new calls are refused (P5)', async (t) => {
  const broker = await startBroker(t, { buffers: { totalBytes: 4096 } })
  await broker.server('alice', { state: 'installing' })
  const peer = await broker.client()
  const bearer = await broker.token('alice')
  peer.send('', bearer, 'f', Buffer.alloc(5000))
  peer.send('', bearer, 'f', 'a')
  await nextError(t, peer, 'broker_overloaded')
})

t.test(
  'bytes of unfinished messages are counted, and the peer that brings too many is closed (P5)',
  async (t) => {
    const broker = await startBroker(t, { buffers: { totalBytes: 300_000 } })
    const peers = await Promise.all(Array.from({ length: 5 }, () => broker.client()))
    for (const peer of peers) peer.raw(frame('', 1), frameHeader(200_000, 1), Buffer.alloc(100_000))
    await Promise.race(peers.map((peer) => peer.closed))
    t.ok((await broker.metric('rexec_broker_buffered_bytes')) <= 300_000)
  },
)

t.test("many users' messages of all sizes arrive as they were sent", async (t) => {
  const broker = await startBroker(t, { messages: { cutThroughBytes: 64 * 1024 } })
  const users = ['alice', 'bob', 'carol', 'dave']
  await Promise.all(
    users.map(async (user, index) => {
      const server = await broker.server(user)
      const peer = await broker.client()
      const bearer = await broker.token(user)
      for (let i = 0; i < 40; i++) {
        const size = (i * 7919 * (index + 1)) % 150_000
        peer.send('', bearer, user, Buffer.alloc(size, user))
        const [, id, ...body] = await server.next()
        const whole: Buffer[] = body.length > 0 ? [body[1]!] : []
        if (body.length === 0) {
          t.equal((await server.next())[3]!.toString(), user)
          for (let got = 0; got < size; got += whole.at(-1)!.length) whole.push((await server.next()).at(-1)!)
        }
        const sent = Buffer.concat(whole)
        if (!sent.equals(Buffer.alloc(size, user))) t.fail(`${user} ${i}: the argument was changed`)
        server.send('EVENT', id!, 'more', sent)
        server.send('EVENT', id!, 'final', user)
        const [, back] = await peer.next()
        if (!back!.equals(sent)) t.fail(`${user} ${i}: the result was changed`)
        t.same(await peer.texts(), ['', user])
      }
    }),
  )
})
