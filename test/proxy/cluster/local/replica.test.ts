import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { fakeProgram } from '../../../support/fake-program.ts'
import { collect, FAKE_AGENT, testCluster, user } from '../../../support/local-cluster.ts'

const alice = user('alice')
const signal = AbortSignal.timeout(60_000)
const agentThat = (behaviour: string) => ({ agentCommand: [...FAKE_AGENT, behaviour] })

t.test('an agent that ends before its server is ready', async (t) => {
  const { cluster, start, until, processes } = await testCluster(t, agentThat('crash'))
  await start(alice)
  const status = await until(alice, 'default', 'failed')
  t.match(status, { code: 'server_failed', message: 'The agent ended with exit code 3.' })
  const log = await collect(cluster.logs(alice, 'default', { follow: true, signal }))
  t.ok(log.includes('agent: out of luck'), 'what it said last is in the log')
  t.same(await processes(), [], 'its worker is gone as well')
})

t.test('an agent that ends after its server was ready', async (t) => {
  const { start, until } = await testCluster(t, agentThat('crash-when-ready'))
  await start(alice)
  t.match(await until(alice, 'default', 'failed'), { code: 'server_lost' })
})

t.test('an agent that ends by itself, for want of calls', async (t) => {
  const { cluster, start, until } = await testCluster(t, { ...agentThat('idle'), keepSeconds: 0 })
  await start(alice)
  t.match(await until(alice, 'default', 'stopped'), { message: 'No call for 60 seconds.' })
  while ((await cluster.list(alice)).length > 0) await new Promise(setImmediate)
  t.pass('after keepSeconds it is forgotten')
})

t.test('an agent that does not end when told to', async (t) => {
  const { cluster, start, until, processes } = await testCluster(t, {
    ...agentThat('stubborn'),
    drainSeconds: 0,
  })
  await start(alice)
  await until(alice, 'default', 'ready')
  await cluster.stop(alice, 'default')
  t.same(await processes(), [])
})

t.test('an agent that outlives its worker after it has said why: the reason stays', async (t) => {
  const interpreter = join(
    await fakeProgram(t, 'python', 'while [ ! -e "$TMPDIR/said" ]; do sleep 0.05; done; exit 1'),
    'python',
  )
  const { cluster, start, until, processes } = await testCluster(t, {
    ...agentThat('slow-farewell'),
    interpreter,
  })
  await start(alice)
  await until(alice, 'default', 'failed')
  while ((await processes()).length > 0) await pause(20)
  t.match(await cluster.get(alice, 'default'), { message: 'a reason', code: 'install_failed' })
})

t.test('lines that only look like states', async (t) => {
  const { start, until } = await testCluster(t, agentThat('odd-lines'))
  await start(alice)
  t.match(await until(alice, 'default', 'failed'), { message: 'a reason', code: 'server_failed' })
})

t.test('an interpreter that is not there', async (t) => {
  const { start, until } = await testCluster(t, { ...agentThat('stubborn'), interpreter: '/no/such/python' })
  await start(alice)
  const status = await until(alice, 'default', 'failed')
  t.match(status, { code: 'python_missing', message: /The worker could not be started/ })
})

t.test('an agent command that is not there', async (t) => {
  const { start, until } = await testCluster(t, { agentCommand: ['/no/such/agent'] })
  await start(alice)
  t.match(await until(alice, 'default', 'failed'), { message: /The agent could not be started/ })
})

t.test("the agent gets nothing of this process' environment", async (t) => {
  process.env.PLANTED_SECRET = 'of the proxy'
  t.teardown(() => delete process.env.PLANTED_SECRET)
  const { cluster, start, until, processes } = await testCluster(t, agentThat('environment'))
  await start(alice, { env: { GREETING: 'hello' } })
  await until(alice, 'default', 'ready')
  const [line] = await collect(cluster.logs(alice, 'default', { follow: false, signal }))
  // The test runner adds variables of its own to every process.
  const names = line!.split(' ').filter((name) => !/^_TAPJS|^NODE_OPTIONS/.test(name))
  t.same(names, ['agent:', 'REXEC_LOCAL', 'TMPDIR'])
  for (const pid of await processes())
    t.notMatch(await readFile(`/proc/${pid}/environ`, 'utf8'), 'PLANTED_SECRET')
})

t.test('the credential is on no command line and in no log', async (t) => {
  const { cluster, start, until, processes, log } = await testCluster(t, agentThat('stubborn'))
  await start(alice)
  await until(alice, 'default', 'ready')
  for (const pid of await processes())
    t.notMatch(await readFile(`/proc/${pid}/cmdline`, 'utf8'), 'payload.signature')
  const lines = await collect(cluster.logs(alice, 'default', { follow: false, signal }))
  t.notMatch(lines.join('\n') + log.text(), 'payload.signature')
})
