import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { startBroker } from '../support/broker.ts'
import { createRandom } from '../support/random.ts'
import type { ZmtpPeer } from '../support/zmtp-peer.ts'

/**
 * The broker reads all connections into one buffer and uses memory again. So what matters most is tried here: bytes of
 * one user never turn up in the messages of another, and every byte arrives, whatever is long, short, slow or cut.
 */
const KiB = 1024
const SIZES = [
  0,
  1,
  100,
  255,
  256,
  2 * KiB,
  20 * KiB,
  63 * KiB,
  64 * KiB,
  65 * KiB,
  300 * KiB,
  1023 * KiB,
  3 * KiB * KiB,
]
const ROUNDS = 10
const PART = 700 * KiB

/** Bytes that tell whose they are and whether they are whole: user, digest, anything. */
function sealed(user: string, size: number): Buffer {
  const body = randomBytes(size)
  return Buffer.concat([Buffer.from(user), createHash('sha256').update(body).digest(), body])
}

function isSealedBy(user: string, bytes: Buffer): boolean {
  const digest = createHash('sha256')
    .update(bytes.subarray(user.length + 32))
    .digest()
  return (
    bytes.toString('latin1', 0, user.length) === user &&
    bytes.subarray(user.length, user.length + 32).equals(digest)
  )
}

/** Sends an event, streamed in parts when it is long. */
function sendEvent(server: ZmtpPeer, id: string, kind: string, payload: Buffer): void {
  if (payload.length <= PART) return server.send('EVENT', id, kind, payload)
  server.send('EVENT', id, kind)
  server.send('FRAME', id, String(payload.length), payload.subarray(0, PART))
  for (let from = PART; from < payload.length; from += PART)
    server.send('PART', id, payload.subarray(from, from + PART))
}

/** Gives the two frames of each call back as two events. */
async function echo(server: ZmtpPeer, user: string, wrong: string[]): Promise<void> {
  const calls = new Map<string, Buffer[]>()
  const sizes = new Map<string, number[]>()
  const answer = (id: string, [first, second]: Buffer[]) => {
    for (const frame of [first!, second!])
      if (!isSealedBy(user, frame)) wrong.push(`${user}'s server got foreign bytes`)
    sendEvent(server, id, 'more', first!)
    sendEvent(server, id, 'final', second!)
  }
  for (;;) {
    const [verb, id, ...rest] = await server.next()
    const call = id?.toString() ?? ''
    if (verb!.toString() === 'CALL' && rest.length === 2) answer(call, rest)
    else if (verb!.toString() === 'CALL') {
      calls.set(call, [])
      sizes.set(call, [])
    } else if (verb!.toString() === 'FRAME') {
      sizes.get(call)!.push(Number(rest[0]))
      calls.get(call)!.push(rest[1]!)
    } else if (verb!.toString() === 'PART') {
      const frames = calls.get(call)!
      frames.push(Buffer.concat([frames.pop()!, rest[0]!]))
    }
    const frames = calls.get(call)
    if (frames?.length === 2 && frames.every((frame, at) => frame.length === sizes.get(call)![at])) {
      calls.delete(call)
      answer(call, frames)
    }
  }
}

t.test('bytes arrive whole and at their own user only, however calls of all sizes mix', async (t) => {
  const { client, server, token } = await startBroker(t)
  const wrong: string[] = []
  const { pick } = createRandom(20_261_121)
  const users = ['alice', 'bob']
  // Few places for many calls, so that calls wait in the queue.
  for (const user of users) {
    for (const concurrency of [1, 2]) echo(await server(user, { concurrency }), user, wrong).catch(() => {})
  }
  await Promise.all(
    [...users, ...users, ...users].map(async (user, lane) => {
      const shown = await token(user)
      for (let round = 0; round < ROUNDS; round++) {
        // A fresh connection each: its first message waits for the token's proof.
        const peer = await client()
        const sent = new Map<string, Buffer[]>()
        for (let i = 0; i < 3; i++) {
          // Results of several calls on one connection wait for one another.
          const envelope = `${lane}.${round}.${i}`
          sent.set(envelope, [sealed(user, pick(SIZES)), sealed(user, pick(SIZES))])
          peer.send(envelope, '', shown, ...sent.get(envelope)!)
        }
        // Some clients are slow, so that their bytes wait in the broker while others use its memory.
        if (round % 2 === 0) {
          peer.socket.pause()
          setTimeout(() => peer.socket.resume(), 20)
        }
        while (sent.size > 0) {
          const [to, , payload] = await peer.next()
          const parts = sent.get(to!.toString()) ?? []
          if (!parts.shift()?.equals(payload!)) wrong.push(`${to}: not what was sent`)
          if (parts.length === 0) sent.delete(to!.toString())
        }
        peer.close()
      }
    }),
  )
  t.same(wrong, [])
})
