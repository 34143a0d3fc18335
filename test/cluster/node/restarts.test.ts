import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { SERVER } from '../../../proxy/cluster/kubernetes/names.ts'
import type { ServerStatus } from '../../../proxy/pipeline.ts'
import { client, findClient } from '../../support/clients.ts'
import { startKubernetesService } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip } = await findClient(client)
const missing = await nodeClusterMissing()

/** `stay` goes on until another call, `let_go`, lets it end. */
const FUNCTIONS = `
  import threading

  @remote_func
  def stay():
      import os, time
      print("it runs", flush=True)
      while not os.path.exists("/tmp/go"):
          time.sleep(0.05)
      os.remove("/tmp/go")
      return os.getpid()

  @remote_func
  def let_go():
      open("/tmp/go", "w").close()

  answers = []
  def begin():
      thread = threading.Thread(target=lambda: answers.append(stay()))
      thread.start()
      return thread
`

t.test('what happens in the middle of a call', { skip: skip || missing || false }, async (t) => {
  const cluster = await startNodeCluster(t)
  const service = await startKubernetesService(t, cluster, {
    kubernetes: { drainSeconds: 1 },
    broker: { drainSeconds: 1 },
  })
  const alice = openNotebook(t, python, service.as('alice'), client)
  const another = openNotebook(t, python, service.as('alice'), client)
  await another.run('remote_func.set_exec_token(GIVEN["token"])')
  await alice.run(FUNCTIONS)
  await alice.run('set_environment(PYTHON)')
  t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
  let calls = 0
  /** Resolves when the next of the calls that stay runs. */
  async function untilItRuns(): Promise<void> {
    calls += 1
    await alice.stdout.until(new RegExp(`(it runs\\n.*){${calls}}`, 's'))
  }

  async function begin(): Promise<void> {
    await alice.run('thread = begin()')
    await untilItRuns()
  }

  async function assertGoesOn(t: Test): Promise<void> {
    await alice.run('let_go()')
    t.type(await alice.run('thread.join(); answers.pop()'), 'number', 'the call has gone on, and returns')
  }

  const pod = () =>
    cluster.kubectl('get', 'pods', '--all-namespaces', `--selector=${SERVER}`, '--output=jsonpath={..uid}')
  const status = () => service.api<ServerStatus>('alice', '/servers/default')
  const ask = (method: string, path: string, json?: object) =>
    fetch(`${service.url}/api/v1/servers${path}`, {
      method,
      headers: {
        authorization: `Bearer ${service.as('alice').token}`,
        ...(json && { 'content-type': 'application/json' }),
      },
      ...(json && { body: JSON.stringify(json) }),
    })
  /** Asks again as long as it is told to come back. */
  async function untilAnswered(...request: Parameters<typeof ask>): Promise<Response> {
    let answer = await ask(...request)
    while (answer.status === 503) answer = await ask(...request)
    return answer
  }
  while ((await status()).phase !== 'ready');
  const before = { pod: await pod(), status: await status() }

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await t.test(`the proxy is ended by ${signal}, and started again`, async (t) => {
      await begin()
      await service.parts.proxy.stop(signal)
      await service.parts.proxy.start()
      while ((await fetch(`${service.url}/readyz`)).status !== 200);
      t.same(await status(), before.status, 'it knows the server as before')
      t.match(await alice.run('set_environment(PYTHON)'), { status: 200, Status: /exists/ })
      t.equal(await pod(), before.pod, 'there is no second one')
      await assertGoesOn(t)
    })
  }

  await t.test('the broker is stopped, and started again', async (t) => {
    const call = alice.raises('stay()')
    await untilItRuns()
    await service.parts.broker.stop()
    t.match(
      await call,
      { name: 'RuntimeError', message: /\[broker_stopping\]/ },
      'the call says why it ended',
    )
    await service.parts.broker.start()
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server has come back by itself')
    t.same(await status(), before.status)
    t.equal(await pod(), before.pod)
  })

  await t.test('the broker is killed, and started again', async (t) => {
    const call = alice.raises('stay()')
    await untilItRuns()
    await service.parts.broker.stop('SIGKILL')
    await service.parts.broker.start()
    t.equal(await another.run('remote_func(lambda: 42)()'), 42, 'the server has come back by itself')
    alice.interrupt()
    t.equal((await call).name, 'KeyboardInterrupt', 'nobody could tell the client, but its user can go on')
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
    t.equal(await pod(), before.pod)
  })

  const mine = cluster.given && 'not on a given cluster'

  await t.test('the kubelet is restarted', { skip: mine }, async (t) => {
    await begin()
    await cluster.restartKubelet()
    await assertGoesOn(t)
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
    t.equal(await pod(), before.pod)
    t.match(await status(), { phase: 'ready' })
  })

  await t.test('the API server is restarted', { skip: mine }, async (t) => {
    await begin()
    const restarted = cluster.restartApi()
    while (await answers(cluster.url));
    t.same(await status(), before.status, 'the proxy goes on telling what it knows')
    const other = { name: 'other', python: before.status.python }
    const refused = await ask('POST', '', other)
    t.match(await refused.json(), { status: 503 }, 'but starts nothing')
    t.ok(Number(refused.headers.get('retry-after')) > 0)
    await assertGoesOn(t)
    await restarted
    t.equal((await untilAnswered('POST', '', other)).status, 201, 'until it can again')
    t.equal((await service.api<{ servers: object[] }>('alice', '/servers')).servers.length, 2)
    t.equal((await untilAnswered('DELETE', '/other')).status, 204)
    // A garbage collector that has just come back may not have heard of the pod when it lets go of the Job.
    const others = ['--all-namespaces', `--selector=${SERVER}=other`, '--timeout=60s']
    await cluster.kubectl('wait', '--for=delete', 'pods', ...others)
    t.equal(await pod(), before.pod)
  })

  await t.test('the server is deleted', async (t) => {
    const call = alice.raises('stay()')
    await untilItRuns()
    const since = Date.now()
    const deleted = service.api('alice', '/servers/default', { method: 'DELETE' })
    t.match(await call, { name: 'RuntimeError', message: /\[server_stopping\]/ })
    t.comment(`${Date.now() - since} ms until the call ends`)
    await deleted
    t.match(await alice.raises('stay()'), { message: /\[no_server\]/ })
    t.equal(await pod(), '', 'nothing is left of it')
  })
})

/** Whether anything listens there. */
function answers(url: string): Promise<boolean> {
  const { hostname: host, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) })
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}
