import t from 'tap'
import { startBroker } from '../support/broker.ts'

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
