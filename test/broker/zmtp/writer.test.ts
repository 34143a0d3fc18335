import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { Writer } from '../../../broker/zmtp/writer.ts'
import { frame } from '../../support/zmtp-peer.ts'

/** Two ends of a TCP connection, the first for a writer. */
async function pair(t: Test): Promise<[Socket, Socket]> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const far = connect((server.address() as { port: number }).port, '127.0.0.1')
  const [near] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    near.destroy()
    far.destroy()
    server.close()
  })
  return [near, far]
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let got = 0
  while (got < bytes) {
    const chunk: Buffer | null = socket.read()
    if (chunk === null) await once(socket, 'readable')
    else got += chunks.push(chunk) && chunk.length
  }
  return Buffer.concat(chunks)
}

t.test('frames of all sizes arrive in order, though what was given is changed at once (P4)', async (t) => {
  const [near, far] = await pair(t)
  const budget = { used: 0 }
  const writer = new Writer(near, 1024, budget, { drained: () => {} })
  const sizes = [0, 1, 2, 255, 256, 65_525, 65_526, 65_527, 65_535, 65_536, 65_537, 131_072, 500_000, 7, 0]
  const expected: Buffer[] = []
  for (const [i, size] of sizes.entries()) {
    const body = Buffer.alloc(size, String(i))
    expected.push(frame(body, i % 2))
    writer.frame(body, i % 2 === 1)
    body.fill(0)
  }
  writer.beginFrame(6, false)
  for (const part of ['ab', '', 'cdef']) writer.data(Buffer.from(part))
  const all = Buffer.concat([...expected, frame('abcdef')])
  t.equal(budget.used, all.length)
  t.ok((await read(far, all.length)).equals(all))
  t.equal(writer.pending, 0)
  t.equal(budget.used, 0)
})

t.test('random bursts arrive as given', async (t) => {
  const [near, far] = await pair(t)
  const writer = new Writer(near, 1024, { used: 0 }, { drained: () => {} })
  const all: Buffer[] = []
  let seed = 1
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  for (let burst = 0; burst < 100; burst++) {
    for (let i = random(20); i >= 0; i--) {
      const body = Buffer.alloc(random(random(3) === 0 ? 100_000 : 300), burst)
      all.push(frame(body))
      writer.frame(body, false)
    }
    await new Promise((resolve) => (random(2) ? setImmediate(resolve) : process.nextTick(resolve)))
    far.resume().pause()
    far.unshift(Buffer.alloc(0))
  }
  const expected = Buffer.concat(all)
  t.ok((await read(far, expected.length)).equals(expected))
})

t.test('it is full above its limit, and says when most has been taken (P6)', async (t) => {
  const [near, far] = await pair(t)
  const budget = { used: 0 }
  let drained = () => {}
  const whenDrained = new Promise<void>((resolve) => {
    drained = resolve
  })
  const writer = new Writer(near, 1_000_000, budget, { drained: () => drained() })
  t.notOk(writer.isFull)
  for (let i = 0; i < 40; i++) writer.frame(Buffer.alloc(1_000_000), false)
  t.ok(writer.isFull)
  t.ok(budget.used > 30_000_000)
  far.resume()
  await whenDrained
  t.notOk(writer.isFull)
})

t.test('a stalled write is timed; a closed writer counts nothing more', async (t) => {
  const [near, far] = await pair(t)
  far.pause()
  const budget = { used: 0 }
  const writer = new Writer(near, 1000, budget, { drained: () => {} })
  t.equal(writer.stalledFor(performance.now()), 0)
  for (let i = 0; i < 40; i++) writer.frame(Buffer.alloc(1_000_000), false)
  await new Promise((resolve) => process.nextTick(resolve))
  const begun = performance.now()
  t.ok(writer.stalledFor(begun + 5000) >= 5000)
  writer.close()
  t.equal(budget.used, 0)
  writer.frame(Buffer.alloc(10), false)
  writer.data(Buffer.alloc(10))
  t.equal(budget.used, 0)
  t.equal(writer.pending, 0)
})
