import t from 'tap'
import { RexecError } from '../../common/errors.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { greeting, message, ZmtpPeer } from '../support/zmtp-peer.ts'

const SECRET = 'token-of-nobody-0123456789'

/** What Prometheus is shown, a line each. */
async function shown({ registry }: TestBroker): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line && !line.startsWith('#'))
}

t.test('calls are counted and timed by how they ended, and by how long they waited', async (t) => {
  const broker = await startBroker(t, {}, async () => ({
    user: 'alice',
    servers: [{ name: 'default', phase: 'starting', message: '' }],
  }))
  const { client, server, token, metric } = broker
  const notebook = await client()
  notebook.send('', await token('alice'), 'f', 'waits for its server')
  while ((await metric('rexec_broker_waiting_calls')) === 0) await new Promise(setImmediate)
  const alice = await server('alice', { concurrency: 2 })
  const [, first] = await alice.texts()
  notebook.send('', await token('alice'), 'f', 'finds it free')
  const [, second] = await alice.texts()
  t.equal(await metric('rexec_broker_running_calls'), 2)
  alice.send('EVENT', first!, 'final', 'done')
  await notebook.next()
  alice.close()
  await notebook.next()
  t.ok(second)
  const lines = await shown(broker)
  for (const line of [
    'rexec_broker_calls_total{outcome="finished"} 1',
    'rexec_broker_calls_total{outcome="server_lost"} 1',
    'rexec_broker_call_seconds_count{outcome="finished"} 1',
    'rexec_broker_call_seconds_bucket{outcome="server_lost",le="+Inf"} 1',
    'rexec_broker_queue_seconds_bucket{le="0"} 1',
    'rexec_broker_queue_seconds_bucket{le="+Inf"} 2',
    'rexec_broker_queue_seconds_count 2',
    'rexec_broker_running_calls 0',
    'rexec_broker_waiting_calls 0',
  ])
    t.ok(lines.includes(line), line)
  t.ok((await metric('rexec_broker_token_reviews_total', { outcome: 'known' })) >= 1)
  // A histogram counts up, as Prometheus wants it.
  const buckets = lines.filter((line) =>
    line.startsWith('rexec_broker_call_seconds_bucket{outcome="finished"'),
  )
  const counts = buckets.map((line) => Number(line.split(' ').at(-1)))
  t.same(
    counts,
    counts.toSorted((a, b) => a - b),
  )
})

t.test('whatever is refused is counted by its reason, on both ports', async (t) => {
  const broker = await startBroker(
    t,
    { connections: { handshakeSeconds: 0.6 }, clients: { maxPerAddress: 3 } },
    async () => {
      throw new RexecError('scope_missing')
    },
  )
  const { client, stranger, metric } = broker
  const { clientAddress, serverAddress } = broker.broker
  const notebook = await client()
  notebook.send('', SECRET, 'f', 'a')
  await notebook.next()
  notebook.send('', '', 'f', 'a')
  await notebook.next()
  t.equal(await metric('rexec_broker_refused_total', { code: 'scope_missing' }), 1)
  t.equal(await metric('rexec_broker_refused_total', { code: 'token_missing' }), 1)
  t.equal(await metric('rexec_broker_token_reviews_total', { outcome: 'scope_missing' }), 1)

  const peers = [clientAddress, serverAddress].map((address) => new ZmtpPeer(address))
  for (const peer of peers) peer.raw(Buffer.from('GET / HTTP/1.1'))
  const early = new ZmtpPeer(serverAddress)
  early.raw(greeting(), message(['READY']))
  const silent = new ZmtpPeer(serverAddress)
  await Promise.all([...peers, early, silent].map((peer) => peer.closed))
  const [one, two] = [await client(), await client()]
  const above = new ZmtpPeer(clientAddress)
  await above.closed
  const unopened = (port: string, reason: string) =>
    metric('rexec_broker_unopened_connections_total', { port, reason })
  t.equal(await unopened('clients', 'malformed'), 1)
  t.equal(await unopened('servers', 'malformed'), 2)
  t.equal(await unopened('servers', 'time_out'), 1)
  t.equal(await unopened('clients', 'max_per_address'), 1)
  one.close()
  two.close()

  const server = await stranger()
  server.send('GO', 'AWAY')
  await server.closed
  t.equal(await metric('rexec_broker_server_offences_total', { reason: 'READY expected' }), 1)
  t.notMatch(
    (await shown(broker)).join(),
    /alice|127\.0\.0\.1|token-of-nobody|AWAY/,
    'no label is what a peer says',
  )
})
