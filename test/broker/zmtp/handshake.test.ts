import t from 'tap'
import { startBroker } from '../../support/broker.ts'
import { command, greeting, message, ready, ZmtpPeer } from '../../support/zmtp-peer.ts'

t.test('greetings of 3.0, 3.1 and later are answered with 3.1 (P1)', async (t) => {
  const { broker, server, token } = await startBroker(t)
  const alice = await server('alice')
  for (const version of [
    [3, 0],
    [3, 1],
    [3, 7],
    [4, 0],
  ] as [number, number][]) {
    const peer = await ZmtpPeer.connect(broker.clientAddress, { version })
    peer.send('', await token('alice'), 'f', 'a')
    const [, id] = await alice.texts()
    alice.send('EVENT', id!, 'final', version.join('.'))
    t.same(await peer.texts(), ['', version.join('.')])
    peer.close()
  }
})

t.test('a greeting that comes byte by byte is one, too (P1)', async (t) => {
  const { broker } = await startBroker(t)
  const peer = new ZmtpPeer(broker.clientAddress)
  for (const byte of Buffer.concat([greeting(), ready()])) {
    await new Promise<void>((resolve) => peer.socket.write(Buffer.from([byte]), () => resolve()))
  }
  t.equal((await peer.command()).name, 'READY')
  peer.close()
})

t.test('older peers and other protocols are closed (P1)', async (t) => {
  const { broker } = await startBroker(t)
  const strangers: Record<string, Buffer> = {
    'ZMTP 2.0': Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1]),
    'ZMTP 1.0': Buffer.from([1, 0]),
    HTTP: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    TLS: Buffer.from([0x16, 3, 1, 0, 200]),
    'another signature': Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7e]),
  }
  for (const [name, bytes] of Object.entries(strangers)) {
    const peer = new ZmtpPeer(broker.clientAddress)
    peer.raw(bytes)
    await peer.closed
    t.pass(name)
  }
})

t.test('another mechanism is refused with ERROR (P2)', async (t) => {
  const { broker } = await startBroker(t)
  const peer = new ZmtpPeer(broker.clientAddress)
  peer.raw(greeting({ mechanism: 'CURVE' }))
  const { name, data } = await peer.command()
  t.equal(name, 'ERROR')
  t.equal(data.toString('latin1', 1), 'Mechanism not supported')
  await peer.closed
})

t.test('a peer that may not talk to a ROUTER is refused with ERROR (P3)', async (t) => {
  const { broker } = await startBroker(t)
  for (const first of [
    ready({ type: 'PUB' }),
    ready({ type: '' }),
    command('READY'),
    command('READY', Buffer.from([200, 1, 2])),
    command('HELLO'),
  ]) {
    const peer = new ZmtpPeer(broker.clientAddress)
    peer.raw(greeting(), first)
    t.equal((await peer.command()).name, 'ERROR')
    await peer.closed
  }
})

t.test('peers that claim one identity are two connections (P3)', async (t) => {
  const { client, server, token } = await startBroker(t)
  const alice = await server('alice')
  const bob = await server('bob')
  const identity = '\0kK\x8bEg'
  const first = await client({ identity })
  const second = await client({ identity, metadata: { 'X-User': 'alice' } })
  first.send('', await token('alice'), 'f', 'a')
  second.send('', await token('bob'), 'f', 'b')
  const [, forAlice] = await alice.texts()
  const [, forBob] = await bob.texts()
  alice.send('EVENT', forAlice!, 'final', 'for alice')
  bob.send('EVENT', forBob!, 'final', 'for bob')
  t.same(await first.texts(), ['', 'for alice'])
  t.same(await second.texts(), ['', 'for bob'])
})

t.test('a message before READY closes the connection (P4)', async (t) => {
  const { broker } = await startBroker(t)
  const peer = new ZmtpPeer(broker.clientAddress)
  peer.raw(greeting(), message(['', 'token', 'f', 'a']))
  t.equal((await peer.command()).name, 'ERROR')
  await peer.closed
})

t.test('a handshake that stalls is closed (P5)', async (t) => {
  const { broker } = await startBroker(t, { connections: { handshakeSeconds: 0.3 } })
  const silent = new ZmtpPeer(broker.clientAddress)
  const halfway = new ZmtpPeer(broker.clientAddress)
  halfway.raw(greeting(), ready().subarray(0, 10))
  await Promise.all([silent.closed, halfway.closed])
})

t.test('an oversized READY is closed before it is held (P5)', async (t) => {
  const { broker } = await startBroker(t, { messages: { maxCommandBytes: 256 } })
  const peer = new ZmtpPeer(broker.clientAddress)
  peer.raw(greeting(), Buffer.from([6, 0, 0, 0, 0, 0, 0, 2, 0]))
  await peer.closed
})

t.test('connections above a limit are closed, and places are given again (P5)', async (t) => {
  const { broker, client, log } = await startBroker(t, { clients: { maxConnections: 2 } })
  const first = await client()
  await client()
  const third = new ZmtpPeer(broker.clientAddress)
  await third.closed
  t.match(log.lines.at(-1), { msg: 'connection to the port for clients refused', code: 'max_connections' })
  first.close()
  await first.closed
  await client()

  const other = await startBroker(t, { clients: { maxPerAddress: 1 } })
  await other.client()
  const second = new ZmtpPeer(other.broker.clientAddress)
  await second.closed
  t.match(other.log.lines.at(-1), { code: 'max_per_address' })
})

t.test('PING is answered with its context, also before a message (P4)', async (t) => {
  const { client } = await startBroker(t)
  const peer = await client()
  peer.raw(command('PING', Buffer.from('\0\x01context')))
  t.same(await peer.command(), { name: 'PONG', data: Buffer.from('context') })
  peer.raw(command('UNKNOWN'), command('PING', Buffer.alloc(2)))
  t.same(await peer.command(), { name: 'PONG', data: Buffer.alloc(0) })
})

t.test('a silent peer of 3.1 gets PING and is closed without PONG; one of 3.0 gets none (P4)', async (t) => {
  const { client } = await startBroker(t, { connections: { pingSeconds: 0.3, pingTimeoutSeconds: 0.7 } })
  const old = await client({ version: [3, 0] })
  const alive = await client()
  const dead = await client()
  for (let i = 0; i < 3; i++) {
    t.equal((await alive.command()).name, 'PING')
    alive.raw(command('PONG'))
  }
  t.equal((await dead.command()).name, 'PING')
  await dead.closed
  t.notOk(alive.isClosed)
  t.notOk(old.isClosed)
})
