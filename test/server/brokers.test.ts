import { networkInterfaces } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Lookup } from '../../common/address.ts'
import type { ServerState } from '../../common/protocol.ts'
import { createSigner, createVerifier, generateSigningKey } from '../../common/tokens.ts'
import { Brokers, MAX_BROKERS } from '../../server/brokers.ts'
import type { Call } from '../../server/call.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { freePorts } from '../support/free-port.ts'
import { keptLog } from '../support/log.ts'
import { unpickle } from '../support/unpickle.ts'

const signer = await createSigner(await generateSigningKey())
const verify = createVerifier(signer.publicKeys)
const { token: credential } = await signer.sign('server', { user: 'alice', server: 'default' }, 3600)
const { token } = await signer.sign('exec', { user: 'alice' }, 3600)
/** What a call ends with on the way through all parts. */
const REACHED = 'It has reached its server.'

/** Brokers are apart by their host, as pods are. */
async function brokerAt(t: Test, host: string, port: number): Promise<TestBroker> {
  const ready = async () => ({
    user: 'alice',
    servers: [{ name: 'default', phase: 'ready' as const, message: '' }],
  })
  return startBroker(t, { servers: { host, port } }, ready, verify)
}

/** A resolver whose answer the test sets; `asked` resolves when the next look-up has been answered. */
class Names {
  answer: string[] | Error = []
  #waiting: (() => void)[] = []

  readonly lookup: Lookup = async () => {
    const { answer } = this
    const waiting = this.#waiting.splice(0)
    setImmediate(() => {
      for (const resolve of waiting) resolve()
    })
    if (answer instanceof Error) throw answer
    return answer.map((address) => ({ address, family: 4 }))
  }

  async asked(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

/** A server's links, whose calls end with a sentence, and what they have told. */
function open(t: Test, addresses: string[], lookup?: Lookup, discoverySeconds = 0.02) {
  const unreached: string[] = []
  const log = keptLog()
  const server = { state: { state: 'ready', message: '' } as ServerState, holds: false }
  /** Calls that it has, while it holds them. */
  const held: Call[] = []
  const brokers = new Brokers({
    addresses,
    discoverySeconds,
    ...(lookup && { lookup }),
    logger: log.logger,
    credential: () => credential,
    concurrency: 4,
    current: () => server.state,
    onWelcome: () => {},
    onUnreached: (address, reason) => void unreached.push(`${address}: ${reason}`),
    onCall: (call) => (server.holds ? void held.push(call) : call.fail('server_failed', REACHED)),
    onCallEnd: () => {},
    onRefused: (sentence) => t.fail(sentence),
  })
  t.teardown(() => brokers.close())
  return { brokers, server, held, unreached, log }
}

/** Sends a call to one broker, and resolves with its error event: REACHED if the server has had it. */
async function call(broker: TestBroker): Promise<{ message: string }> {
  const client = await broker.client()
  client.send('', token, 'f', 'a')
  for (;;) {
    const [, payload] = await client.next()
    const event = (await unpickle(payload!)) as { type: string; message: string }
    if (event.type === 'ERROR') return event
  }
}

t.test('a server that runs connects to brokers that are added, and leaves those that go (S8)', async (t) => {
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const first = await brokerAt(t, '127.0.0.2', port)
  const names = new Names()
  names.answer = ['127.0.0.2']
  const { brokers } = open(t, [`tcp://brokers.test:${port}`], names.lookup)
  t.match(await call(first), { message: new RegExp(REACHED) })

  names.answer = ['127.0.0.4', '127.0.0.2', '127.0.0.3']
  const added = [await brokerAt(t, '127.0.0.3', port), await brokerAt(t, '127.0.0.4', port)]
  for (const broker of added) t.match(await call(broker), { message: new RegExp(REACHED) })
  for (const broker of [first, ...added])
    t.equal(await broker.metric('rexec_broker_servers'), 1, 'one connection to each')

  names.answer = ['127.0.0.3', '127.0.0.4']
  await names.asked()
  await names.asked()
  t.equal(brokers.addresses.length, 3, 'a connection that works is kept though DNS lacks its broker')
  t.match(await call(first), { message: new RegExp(REACHED) })
  await first.broker.close()
  while (brokers.addresses.length === 3) await names.asked()
  t.strictSame(brokers.addresses.sort(), [`tcp://127.0.0.3:${port}`, `tcp://127.0.0.4:${port}`])

  names.answer = ['127.0.0.2', '127.0.0.3', '127.0.0.4']
  const again = await brokerAt(t, '127.0.0.2', port)
  t.match(await call(again), { message: new RegExp(REACHED) }, 'one that comes back is found again')
})

t.test(
  'a look-up that fails changes nothing, one that finds nothing ends no call under way (S8)',
  async (t) => {
    const [port] = (await freePorts(1, '0.0.0.0')) as [number]
    const first = await brokerAt(t, '127.0.0.2', port)
    const second = await brokerAt(t, '127.0.0.3', port)
    const names = new Names()
    names.answer = ['127.0.0.2', '127.0.0.3']
    const { brokers, server, held, log } = open(t, [`tcp://brokers.test:${port}`], names.lookup)
    t.match(await call(first), { message: new RegExp(REACHED) })
    t.match(await call(second), { message: new RegExp(REACHED) })
    await second.broker.close()
    server.holds = true
    const running = call(first)
    while (held.length === 0) await names.asked()
    names.answer = new Error('queryA EAI_AGAIN brokers.test')
    await names.asked()
    await names.asked()
    t.match(log.text(), /EAI_AGAIN/)
    t.equal(brokers.addresses.length, 2, 'a broker that is away is not forgotten either')
    names.answer = []
    while (brokers.addresses.length === 2) await names.asked()
    await names.asked()
    t.strictSame(brokers.addresses, [`tcp://127.0.0.2:${port}`])
    held[0]!.fail('server_failed', REACHED)
    t.match(await running, { message: new RegExp(REACHED) })
  },
)

t.test(
  'a broker that comes in place of a lost one is looked for at once, and the credential shown to no other',
  async (t) => {
    const [port] = (await freePorts(1, '0.0.0.0')) as [number]
    const old = await brokerAt(t, '127.0.0.2', port)
    const names = new Names()
    names.answer = ['127.0.0.2']
    const { brokers } = open(t, [`tcp://brokers.test:${port}`], names.lookup, 3600)
    t.match(await call(old), { message: new RegExp(REACHED) })
    names.answer = []
    await old.broker.close()
    while (brokers.addresses.length > 0) await names.asked()
    const stranger = await brokerAt(t, '127.0.0.2', port)
    const next = await brokerAt(t, '127.0.0.3', port)
    names.answer = ['127.0.0.3']
    t.match(await call(next), { message: new RegExp(REACHED) })
    t.equal(await stranger.metric('rexec_broker_servers'), 0, 'who has the address now is not tried')
  },
)

t.test('a name with thousands of addresses takes only so many sockets', async (t) => {
  const addresses = Array.from({ length: 3000 }, (_, i) => `127.9.${i >> 8}.${i & 255}`)
  const names = new Names()
  names.answer = addresses
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const { brokers, log } = open(t, [`tcp://brokers.test:${port}`], names.lookup)
  await names.asked()
  await names.asked()
  t.equal(brokers.addresses.length, MAX_BROKERS)
  t.equal(log.text().match(/too many addresses/g)?.length, 1, 'said once')
})

t.test('a name that is not known yet is told, and looked up until it is', async (t) => {
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const names = new Names()
  names.answer = new Error('getaddrinfo ENOTFOUND brokers.test')
  const { unreached } = open(t, [`tcp://brokers.test:${port}`], names.lookup)
  await names.asked()
  t.match(unreached[0], /^tcp:\/\/brokers\.test:\d+: its name is not known: getaddrinfo ENOTFOUND/)
  names.answer = ['127.0.0.2']
  const broker = await brokerAt(t, '127.0.0.2', port)
  t.match(await call(broker), { message: new RegExp(REACHED) })
})

t.test('what two names have in common is one broker; IPv4, IPv6 and real names', async (t) => {
  const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
    all?.some(({ address }) => address === '::1'),
  )
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const four = await brokerAt(t, '127.0.0.1', port)
  const six = hasIPv6 ? await brokerAt(t, '::1', port) : undefined
  if (!six) t.comment('this machine has no IPv6')
  const { brokers } = open(t, [`tcp://localhost:${port}`, `tcp://127.0.0.1:${port}`, `tcp://[::1]:${port}`])
  for (const broker of six ? [four, six] : [four]) {
    t.match(await call(broker), { message: new RegExp(REACHED) })
    t.equal(await broker.metric('rexec_broker_servers'), 1)
  }
  t.equal(brokers.addresses.length, 2)
})

t.test('a failure before the brokers are known is told to them', async (t) => {
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const broker = await brokerAt(t, '127.0.0.2', port)
  const waiting = call(broker)
  const known = Promise.withResolvers<void>()
  const { brokers, server } = open(t, [`tcp://brokers.test:${port}`], async () => {
    await known.promise
    return [{ address: '127.0.0.2', family: 4 }]
  })
  server.state = { state: 'failed', message: 'Its agent has come again.', code: 'server_lost' }
  brokers.state(server.state)
  const told = brokers.closedByBrokers()
  known.resolve()
  await told
  t.match(await waiting, { message: /Its agent has come again.*\[server_lost\]/s })
})

t.test('a server that drains tells the brokers that it has, while others are still looked up', async (t) => {
  const [port] = (await freePorts(1, '0.0.0.0')) as [number]
  const broker = await brokerAt(t, '127.0.0.2', port)
  const { promise: never } = Promise.withResolvers<[]>()
  const { brokers } = open(t, [`tcp://127.0.0.2:${port}`, `tcp://brokers.test:${port}`], () => never)
  t.match(await call(broker), { message: new RegExp(REACHED) })
  void brokers.drain('It was told to stop.')
  while ((await broker.metric('rexec_broker_servers')) === 1) await pause(10)
  t.pass('its connection is closed')
})
