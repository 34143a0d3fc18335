import t from 'tap'
import type { TokenReview } from '../../common/token-review.ts'
import { startBroker } from '../support/broker.ts'
import { unpickle } from '../support/unpickle.ts'
import { message, ZmtpPeer } from '../support/zmtp-peer.ts'

t.test('a call travels to its server and its events back (C1, C3)', async (t) => {
  const { server, client, token } = await startBroker(t)
  const alice = await server('alice')
  const notebook = await client()
  notebook.send('', await token('alice'), 'function', 'arguments')
  const [verb, id, ...body] = await alice.texts()
  t.equal(verb, 'CALL')
  t.same(body, ['function', 'arguments'])
  alice.send('EVENT', id!, 'more', 'first')
  alice.send('EVENT', id!, 'final', 'last')
  t.same(await notebook.texts(), ['', 'first'])
  t.same(await notebook.texts(), ['', 'last'])
})

t.test('a large call streams (P7)', async (t) => {
  const { server, client, token } = await startBroker(t)
  const alice = await server('alice')
  const notebook = await client()
  const big = Buffer.alloc(3 * 1024 * 1024, 'x')
  notebook.send('', await token('alice'), 'function', big)
  const [verb, id] = await alice.texts()
  t.equal(verb, 'CALL')
  t.same(await alice.texts(), ['FRAME', id, '8', 'function'])
  let got = 0
  let parts = 0
  while (got < big.length) {
    const message = await alice.next()
    t.equal(message[0]!.toString(), parts++ === 0 ? 'FRAME' : 'PART')
    got += message.at(-1)!.length
  }
  t.equal(got, big.length)
  alice.send('EVENT', id!, 'final')
  alice.send('FRAME', id!, String(big.length), big.subarray(0, 1024 * 1024))
  alice.send('PART', id!, big.subarray(0, 1024 * 1024))
  alice.send('PART', id!, big.subarray(0, 1024 * 1024))
  const [, payload] = await notebook.next()
  t.ok(payload!.equals(big))
})

/** As long as a test takes: what is waited for is an end, not a time. */
const LONG = { drainSeconds: 3600, settleSeconds: 0.2 }
const ONE_COMING: TokenReview = {
  user: 'alice',
  servers: [{ name: 'default', phase: 'installing', message: 'installing' }],
}

t.test('while it drains, a server may still come for the calls that wait (C10)', async (t) => {
  const { broker, server, client, token } = await startBroker(t, LONG, async () => ONE_COMING)
  const notebook = await client()
  notebook.send('', await token('alice'), 'f', 'a')
  t.match(await unpickle((await notebook.next())[1]!), { type: 'DATA', data: 'installing\n' })
  const drained = broker.drain()
  await t.rejects(client(), 'nobody new')
  const alice = await server('alice')
  const [, id] = await alice.texts()
  alice.send('EVENT', id!, 'final', 'done')
  t.same(await notebook.texts(), ['', 'done'])
  await drained
})

t.test(
  'while it drains, it waits for a token that is being proven and for half a message (C10)',
  async (t) => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<TokenReview>()
    const { broker, server, client, token } = await startBroker(t, LONG, () => {
      asked.resolve()
      return answer.promise
    })
    const alice = await server('alice')
    const proving = await client()
    const slow = await client()
    proving.send('', 'a token of the hub', 'f', 'proving')
    const bytes = message(['', await token('alice'), 'f', 'slow'])
    slow.raw(bytes.subarray(0, -2))
    await asked.promise
    let over = false
    const drained = broker.drain().then(() => {
      over = true
    })
    // Longer than it waits for clients that call nothing.
    await new Promise((resolve) => setTimeout(resolve, 500))
    t.notOk(over)
    answer.resolve(ONE_COMING)
    slow.raw(bytes.subarray(-2))
    for (const _ of [proving, slow]) {
      const [, id, , argument] = await alice.texts()
      alice.send('EVENT', id!, 'final', argument!)
    }
    t.same(await proving.texts(), ['', 'proving'])
    t.same(await slow.texts(), ['', 'slow'])
    await drained
    t.ok(over, 'clients that stay and call nothing do not hold it up')
  },
)

t.test('the port for clients is free as soon as it drains: the next broker may take it (C10)', async (t) => {
  const first = await startBroker(t, LONG)
  const alice = await first.server('alice')
  const notebook = await first.client()
  notebook.send('', await first.token('alice'), 'f', 'a')
  const [, id] = await alice.texts()
  const drained = first.broker.drain()
  const port = Number(new URL(first.broker.clientAddress).port)
  const second = await startBroker(t, { clients: { port } })
  t.equal(second.broker.clientAddress, first.broker.clientAddress)
  const bob = await second.server('bob')
  const another = await ZmtpPeer.connect(first.broker.clientAddress)
  another.send('', await second.token('bob'), 'f', 'a')
  const [, bobs] = await bob.texts()
  bob.send('EVENT', bobs!, 'final', 'of the second')
  t.same(await another.texts(), ['', 'of the second'])
  another.close()
  alice.send('EVENT', id!, 'final', 'of the first')
  t.same(await notebook.texts(), ['', 'of the first'])
  await drained
})
