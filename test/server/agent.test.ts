import { readFile, stat } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { FakeBroker, type FakeEvent } from '../support/fake-broker.ts'
import { Pickles } from '../support/pickles.ts'
import { ServerCalls } from '../support/server-calls.ts'
import { sharedPython } from '../support/shared-python.ts'
import { startServer } from '../support/start-server.ts'
import { TestServer, type TestServerOptions } from '../support/test-server.ts'

async function ready(t: Test, options: Omit<TestServerOptions, 'brokers'> = {}) {
  const server = await ServerCalls.start(options)
  t.teardown(() => server.close())
  return server
}

const SLEEP =
  'def f(seconds):\n  import os, time\n  print(os.getpid())\n  time.sleep(seconds)\n  return "slept"'

// Pickled beforehand: a server that has a limit for its time does not wait for that.
const pickles = new Pickles(await sharedPython())
t.teardown(() => pickles.close())
const sleepLonger = await pickles.dump(SLEEP, 'f', '(3.3,)')
const sleepLong = await pickles.dump(SLEEP, 'f', '(1000,)')

t.test('READY shows the credential and what the server can do (S1)', async (t) => {
  const { broker } = await ready(t, { credential: 'the.jwt.here\n', settings: { concurrency: 7 } })
  const [, version, credential, info] = await broker.seen(([verb]) => verb === 'READY')
  t.strictSame(
    [version, credential, JSON.parse(info!)],
    ['1', 'the.jwt.here', { concurrency: 7, state: 'installing' }],
  )
})

t.test('the socket and its folder are for the user alone', async (t) => {
  const { server } = await ready(t)
  t.equal((await stat(server.settings.socket)).mode & 0o777, 0o600)
  t.equal((await stat(`${server.folder}/run`)).mode & 0o777, 0o700)
})

t.test('no credential in logs, arguments or the worker’s environment', async (t) => {
  const server = await ready(t, { credential: 'very-secret-credential' })
  const { result } = await server.run('def f():\n  import os\n  return repr(dict(os.environ))')
  t.notMatch(result, 'very-secret')
  t.notMatch(server.server.log.join('\n'), 'very-secret')
  for (const { pid } of [server.server.agent, server.server.worker!])
    t.notMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8'), 'very-secret')
})

t.test('a refused credential: failed with credential_refused, exit code 1', async (t) => {
  const broker = await FakeBroker.start({ refuse: ['credential_refused', 'It has expired.'] })
  const server = await TestServer.start({ brokers: [broker.address], withoutWorker: true })
  t.teardown(async () => {
    await server.close()
    broker.close()
  })
  t.strictSame(await server.agentEnded, [1, null])
  t.match(server.states.at(-1), { state: 'failed', code: 'credential_refused', message: /It has expired/ })
})

t.test('a credential that is refused later on: the worker ends with exit code 1 too', async (t) => {
  const { broker, server } = await ready(t)
  broker.close()
  const again = await FakeBroker.start({
    address: broker.address,
    refuse: ['credential_refused', 'It has expired.'],
  })
  t.teardown(() => again.close())
  t.strictSame(await Promise.all([server.agentEnded, server.workerEnded]), [
    [1, null],
    [1, null],
  ])
  t.match(server.states.at(-1), { state: 'failed', code: 'credential_refused' })
})

t.test('no worker within workerSeconds: server_failed', async (t) => {
  const { server } = await startServer(t, { withoutWorker: true, settings: { workerSeconds: 1 } })
  t.strictSame(await server.agentEnded, [1, null])
  t.match(server.states.at(-1), {
    state: 'failed',
    code: 'server_failed',
    message: /did not start within 1 seconds/,
  })
})

t.test('idleSeconds without a call end the server', async (t) => {
  const server = await ready(t, { settings: { idleSeconds: 3 } })
  const outcome = await server.collect(server.broker.call(...sleepLonger))
  t.equal(outcome.result, 'slept', 'a running call is no idleness')
  t.strictSame(await server.server.agentEnded, [0, null])
  t.strictSame(await server.server.workerEnded, [0, null])
  t.match(server.server.states.at(-1), { state: 'stopping', message: 'It had no call for 3 seconds.' })
  t.strictSame((await server.broker.seen(([verb]) => verb === 'DRAIN'))[1], 'It had no call for 3 seconds.')
})

t.test('lifetimeSeconds end the server whatever it does', async (t) => {
  const { broker } = await startServer(t, { settings: { lifetimeSeconds: 3, drainSeconds: 0 } })
  await broker.seen(([verb]) => verb === 'READY')
  let last: FakeEvent | undefined
  for await (const event of broker.call(...sleepLong)) last = event
  const { message } = (await pickles.load(last!.payload)) as Record<string, string>
  t.match(message, /life time of 3 seconds is over.*\[server_stopping\]/)
})

t.test('SIGTERM: running calls go on, then the agent ends and with it the worker', async (t) => {
  const server = await ready(t)
  const outcome = server.run(SLEEP, '(0.5,)', {
    onEvent: (event) => 'data' in event && server.server.agent.kill('SIGTERM'),
  })
  t.equal((await outcome).result, 'slept')
  server.broker.close()
  t.strictSame(await Promise.all([server.server.agentEnded, server.server.workerEnded]), [
    [0, null],
    [0, null],
  ])
})

t.test('SIGTERM: after drainSeconds running calls end with server_stopping', async (t) => {
  const server = await ready(t, { settings: { drainSeconds: 1 } })
  const { error } = await server.run(SLEEP, '(1000,)', {
    onEvent: (event) => 'data' in event && server.server.agent.kill('SIGTERM'),
  })
  t.match(error?.message, '[server_stopping]')
})

t.test('a second SIGTERM is obeyed at once, and nothing stays', async (t) => {
  const server = await ready(t)
  let pid = 0
  void server.run(SLEEP, '(1000,)', {
    onEvent: (event) => {
      if ('data' in event) pid = Number(event.data)
      server.server.agent.kill('SIGTERM')
      void server.broker.seen(([verb]) => verb === 'DRAIN').then(() => server.server.agent.kill('SIGTERM'))
    },
  })
  t.strictSame(await server.server.agentEnded, [0, null])
  await server.server.workerEnded
  await t.rejects(readFile(`/proc/${pid}/stat`))
})

t.test('SIGTERM to the worker stops the server too: in a pod it comes there first', async (t) => {
  const server = await ready(t)
  server.server.worker!.kill('SIGTERM')
  t.strictSame(await server.server.agentEnded, [0, null])
  t.match(server.server.states.at(-1), { state: 'stopping' })
})

t.test('SIGINT to the worker is not its business', async (t) => {
  const server = await ready(t)
  server.server.worker!.kill('SIGINT')
  t.equal((await server.run(SLEEP, '(0,)')).result, 'slept')
})

t.test('--exit-with-parent: an agent whose stdin ends leaves nothing', async (t) => {
  const server = await ready(t, { agentArgs: ['--exit-with-parent'] })
  server.server.agent.stdin!.end()
  t.strictSame(await Promise.all([server.server.agentEnded, server.server.workerEnded]), [
    [0, null],
    [0, null],
  ])
})

t.test(
  'an agent that is killed takes worker and children with it; the worker’s exit code shows it',
  async (t) => {
    const server = await ready(t)
    let pid = 0
    void server.run(SLEEP, '(1000,)', {
      onEvent: (event) => {
        if ('data' in event) pid = Number(event.data)
        server.server.agent.kill('SIGKILL')
      },
    })
    t.strictSame(await server.server.workerEnded, [1, null])
    await t.rejects(readFile(`/proc/${pid}/stat`))
  },
)

t.test('a worker that is killed: its calls fail with worker_lost, then the agent does', async (t) => {
  const server = await ready(t)
  const { error } = await server.run(SLEEP, '(1000,)', {
    onEvent: (event) => 'data' in event && server.server.worker!.kill('SIGKILL'),
  })
  t.match(error?.message, '[worker_lost]')
  server.broker.close()
  await server.server.agentEnded
  t.match(server.server.states.at(-1), { state: 'failed', code: 'worker_lost' })
})

t.test('a call that was sent before the broker heard of the failure: worker_lost as well', async (t) => {
  const server = await ready(t)
  const [fn, args] = await server.pickles.dump('def f(): return 42', 'f', '()')
  server.broker.pause()
  server.server.worker!.kill('SIGKILL')
  await server.server.said(({ state }) => state === 'failed')
  const late = server.collect(server.broker.call(fn, args))
  server.broker.resume()
  t.match((await late).error?.message, '[worker_lost]')
})

t.test(
  'a broker that goes away: its calls are cancelled; the agent comes again with a fresh READY (S7)',
  async (t) => {
    const server = await ready(t)
    let pid = 0
    const { address } = server.broker
    void server.run(SLEEP, '(1000,)', {
      onEvent: (event) => {
        if ('data' in event) pid = Number(event.data)
        server.broker.close()
      },
    })
    const again = await FakeBroker.start({ address })
    t.teardown(() => again.close())
    const [, , , info] = await again.seen(([verb]) => verb === 'READY')
    t.match(JSON.parse(info!), { state: 'ready' })
    t.equal(again.messages.length > 0 && String(again.messages[0]![0]), 'READY', 'nothing comes before READY')
    const [fn, args] = await server.pickles.dump(
      'def f(pid):\n  import os\n  return os.path.exists("/proc/%d" % pid)',
      'f',
      `(${pid},)`,
    )
    t.match(await server.collect(again.call(fn, args)), { result: false })
  },
)

t.test('a broker that is silent is left (S6)', async (t) => {
  const broker = await FakeBroker.start()
  broker.welcome = { heartbeat: 0.1, timeout: 0.3 }
  const server = await TestServer.start({ brokers: [broker.address] })
  t.teardown(async () => {
    await server.close()
    broker.close()
  })
  await broker.state('ready')
  broker.pause()
  while (!server.log.some((line) => line.includes('it is silent')))
    await new Promise((resolve) => setTimeout(resolve, 20))
  t.pass()
})

t.test('concurrency holds over all brokers; what is over it waits', async (t) => {
  const brokers = [await FakeBroker.start(), await FakeBroker.start()]
  const server = await TestServer.start({
    brokers: brokers.map(({ address }) => address),
    settings: { concurrency: 1 },
  })
  t.teardown(async () => {
    await server.close()
    for (const broker of brokers) broker.close()
  })
  await Promise.all(brokers.map((broker) => broker.state('ready')))
  const helper = await ready(t)
  const [fn, args] = await helper.pickles.dump(
    'def f():\n  import time\n  start = time.monotonic()\n  time.sleep(0.1)\n  return [start, time.monotonic()]',
  )
  const spans = await Promise.all(
    brokers.map(async (broker) => (await helper.collect(broker.call(fn, args))).result),
  )
  const [first, second] = (spans as [number, number][]).sort(([a], [b]) => a - b)
  t.ok(first![1] <= second![0], 'one after the other')
})
