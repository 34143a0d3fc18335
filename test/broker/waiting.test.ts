import t, { type Test } from 'tap'
import { RexecError } from '../../common/errors.ts'
import type { TokenReview } from '../../common/token-review.ts'
import { startBroker } from '../support/broker.ts'
import { unpickle } from '../support/unpickle.ts'
import type { ZmtpPeer } from '../support/zmtp-peer.ts'

async function nextError(t: Test, peer: ZmtpPeer, code: string) {
  const [, payload] = await peer.next()
  const event = await unpickle(payload!)
  t.match(event, { type: 'ERROR', message: new RegExp(`\\[${code}\\]$`), details: { code } })
  return event
}

async function nextProgress(t: Test, peer: ZmtpPeer, data: string) {
  const [, payload] = await peer.next()
  t.same(await unpickle(payload!), { type: 'DATA', channel: 'stderr', data })
}

type Servers = TokenReview['servers']

/** A proxy that says of alice's servers what `servers` says now. */
function proxy(...answers: (Servers | RexecError)[]) {
  const asked: string[] = []
  return {
    asked,
    identify: async (token: string): Promise<TokenReview> => {
      const answer = answers[Math.min(asked.push(token), answers.length) - 1]!
      if (answer instanceof RexecError) throw answer
      return { user: 'alice', servers: answer }
    },
  }
}

t.test(
  'calls wait for a server that installs, are shown its progress once, then go in order (C3, C4)',
  async (t) => {
    const { server, client, token } = await startBroker(t)
    const alice = await server('alice', { state: 'installing' })
    const peer = await client()
    const late = await client()
    const bearer = await token('alice')
    peer.send('', bearer, 'f', '1')
    peer.send('', bearer, 'f', '2')
    alice.send('STATE', '{"state":"installing","message":"installing numpy"}')
    await nextProgress(t, peer, 'installing numpy\n')
    await nextProgress(t, peer, 'installing numpy\n')
    late.send('', bearer, 'f', '3')
    await nextProgress(t, late, 'installing numpy\n')
    alice.send('STATE', '{"state":"installing","message":"installing numpy"}')
    alice.send('STATE', '{"state":"installing","message":"almost\\n"}')
    await nextProgress(t, late, 'almost\n')
    alice.send('STATE', '{"state":"ready","message":""}')
    for (const expected of ['1', '2', '3']) t.equal((await alice.texts())[3], expected)
  },
)

t.test(
  'a failed start fails the waiting calls with its reason, and later ones with what the proxy knows',
  async (t) => {
    const failed = {
      name: 'default',
      phase: 'failed' as const,
      message: 'No matching distribution.',
      code: 'install_failed',
    }
    const { identify } = proxy([failed])
    const { server, client, token } = await startBroker(t, {}, identify)
    const alice = await server('alice', { state: 'installing' })
    const peer = await client()
    alice.send('STATE', '{"state":"installing","message":"wait"}')
    peer.send('', await token('alice'), 'f', '1')
    await nextProgress(t, peer, 'wait\n')
    alice.send('STATE', '{"state":"failed","message":"pip says: no such package nmupy"}')
    const { message } = await nextError(t, peer, 'install_failed')
    t.match(message, 'pip says: no such package nmupy')
    await alice.closed
    peer.send('', await token('alice'), 'f', '2')
    t.match((await nextError(t, peer, 'install_failed')).message, 'No matching distribution.')
  },
)

t.test('a code of the server is kept when it is of the table', async (t) => {
  const { server, client, token } = await startBroker(t)
  for (const [code, expected] of [
    ['python_missing', 'python_missing'],
    ['toString', 'install_failed'],
  ]) {
    const alice = await server('alice', { state: 'installing' })
    const peer = await client()
    alice.send('STATE', '{"state":"installing","message":"wait"}')
    peer.send('', await token('alice'), 'f', '1')
    await nextProgress(t, peer, 'wait\n')
    alice.send('STATE', JSON.stringify({ state: 'failed', message: 'why', code }))
    await nextError(t, peer, expected!)
    await alice.closed
  }
})

t.test('without a connected server the proxy says what a call can expect (C3, C4)', async (t) => {
  const at = (phase: Servers[number]['phase'], message = '', code?: string) => ({
    name: 'default',
    phase,
    message,
    ...(code && { code }),
  })
  for (const [servers, code] of [
    [[], 'no_server'],
    [[at('stopped')], 'no_server'],
    [[at('stopping')], 'server_stopping'],
    [[at('failed', 'It did not start.')], 'server_failed'],
    [[at('failed', 'No such package.', 'install_failed')], 'install_failed'],
    [[at('failed', 'x', 'constructor')], 'server_failed'],
  ] as [Servers, string][]) {
    const { client, token } = await startBroker(t, {}, proxy(servers).identify)
    const peer = await client()
    peer.send('', await token('alice'), 'f', 'a')
    await nextError(t, peer, code)
  }
  const { identify, asked } = proxy(
    [at('pending', 'Waiting for a node.')],
    [at('pending', 'Waiting for a node.')],
    new RexecError('identity_unavailable'),
    [at('starting', 'Pulling the image.')],
    [],
  )
  const { client, token } = await startBroker(t, {}, identify)
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  await nextProgress(t, peer, 'Waiting for a node.\n')
  await nextProgress(t, peer, 'Pulling the image.\n')
  await nextError(t, peer, 'no_server')
  t.equal(asked.length, 5)
})

t.test('what the proxy says of one server ends no call to another', async (t) => {
  const asked = new Set<string>()
  const answers: Record<string, TokenReview> = {}
  const { server, client, token } = await startBroker(t, {}, async (bearer) => {
    asked.add(bearer)
    return answers[bearer]!
  })
  const bearers = { a: await token('alice', 'a'), b: await token('alice', 'b') }
  answers[bearers.a] = { user: 'alice', servers: [{ name: 'a', phase: 'installing', message: '' }] }
  answers[bearers.b] = { user: 'alice', servers: [{ name: 'b', phase: 'failed', message: 'Why.' }] }
  const [first, second] = [await client(), await client()]
  first.send('', bearers.a, 'f', '1')
  second.send('', bearers.b, 'f', '2')
  t.match((await nextError(t, second, 'server_failed')).message, 'Why.')
  const a = await server('alice', { name: 'a' })
  t.equal((await a.texts())[3], '1', 'the other call has gone on waiting')
  t.same(asked, new Set(Object.values(bearers)))
})

t.test('a server that connects while a call waits is given it, and no more is asked', async (t) => {
  const { identify, asked } = proxy([{ name: 'default', phase: 'pending', message: 'soon' }])
  const { client, token, server } = await startBroker(t, {}, identify)
  const peer = await client()
  peer.send('', await token('alice'), 'f', 'a')
  await nextProgress(t, peer, 'soon\n')
  const alice = await server('alice')
  t.equal((await alice.texts())[3], 'a')
  t.ok(asked.length > 0)
})

t.test(
  'calls to a server that is ready and not connected say so, and wait for connectSeconds (C3)',
  async (t) => {
    const at = (phase: Servers[number]['phase'], message = ''): Servers => [
      { name: 'default', phase, message },
    ]
    const waits = 'Your server is ready. This call waits until it has connected to this broker.\n'

    t.test('one that never connects', async (t) => {
      const { identify } = proxy(at('ready'), at('installing', 'again'), at('ready'))
      const { client, token } = await startBroker(t, { queue: { connectSeconds: 1 } }, identify)
      const peer = await client()
      peer.send('', await token('alice'), 'f', 'a')
      await nextProgress(t, peer, 'again\n')
      await nextProgress(t, peer, waits)
      await nextError(t, peer, 'server_not_connected')
    })

    t.test('one that connects', async (t) => {
      const { client, token, server } = await startBroker(t, {}, proxy(at('ready')).identify)
      const peer = await client()
      peer.send('', await token('alice'), 'f', 'a')
      await nextProgress(t, peer, waits)
      const alice = await server('alice')
      t.equal((await alice.texts())[3], 'a')
    })
  },
)

t.test('a token that was withdrawn ends its waiting calls; another user of the answer, too', async (t) => {
  const withdrawn = await startBroker(t, {}, proxy(new RexecError('not_allowed')).identify)
  const peer = await withdrawn.client()
  peer.send('', await withdrawn.token('alice'), 'f', 'a')
  await nextError(t, peer, 'not_allowed')

  const confused = await startBroker(t, {}, async () => ({ user: 'bob', servers: [] }))
  const other = await confused.client()
  other.send('', await confused.token('alice'), 'f', 'a')
  await nextError(t, other, 'token_invalid')
})

t.test('a call waits up to the time-out (C3)', async (t) => {
  const { client, token, server } = await startBroker(t, { queue: { timeoutSeconds: 0.3 } })
  await server('alice', { state: 'installing' })
  const busy = await server('bob', { concurrency: 1 })
  const alice = await client()
  const bob = await client()
  alice.send('', await token('alice'), 'f', 'a')
  await nextError(t, alice, 'server_start_timeout')
  bob.send('', await token('bob'), 'f', 'runs')
  await busy.texts()
  bob.send('', await token('bob'), 'f', 'waits')
  await nextError(t, bob, 'queue_timeout')
})

t.test('the queue is bounded, per user and in all, in calls and bytes (C3)', async (t) => {
  const cases = [
    [{ maxPerUser: 1 }, 'queue_full'],
    [{ maxBytesPerUser: 1024 }, 'queue_full'],
    [{ max: 1 }, 'broker_overloaded'],
    [{ maxBytes: 1024 }, 'broker_overloaded'],
  ] as const
  for (const [queue, code] of cases) {
    const { client, token, server, metric } = await startBroker(t, { queue })
    const alice = await server('alice', { state: 'installing' })
    const peer = await client()
    const bearer = await token('alice')
    peer.send('', bearer, 'f', Buffer.alloc(1000))
    peer.send('', bearer, 'f', Buffer.alloc(1000))
    await nextError(t, peer, code)
    t.equal(await metric('rexec_broker_waiting_calls'), 1)
    alice.send('STATE', '{"state":"ready","message":""}')
    t.equal((await alice.texts())[0], 'CALL')
    t.equal(await metric('rexec_broker_waiting_calls'), 0)
  }
})

t.test('a large call that waits stays with its client until a server takes it (P7)', async (t) => {
  const { client, token, server, metric } = await startBroker(t)
  const alice = await server('alice', { state: 'installing' })
  const peer = await client()
  const large = Buffer.alloc(32 * 1024 * 1024)
  alice.send('STATE', '{"state":"installing","message":"wait"}')
  peer.send('', await token('alice'), 'f', large)
  await nextProgress(t, peer, 'wait\n')
  t.ok((await metric('rexec_broker_buffered_bytes')) < 1024 * 1024)
  alice.send('STATE', '{"state":"ready","message":""}')
  t.equal((await alice.texts())[0], 'CALL')
  t.equal((await alice.texts())[0], 'FRAME')
  for (let got = 0; got < large.length; ) got += (await alice.next()).at(-1)!.length
})
