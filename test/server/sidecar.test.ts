import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { AgentSettings } from '../../common/agent-settings.ts'
import { freePort } from '../support/free-port.ts'
import { ServerCalls } from '../support/server-calls.ts'
import { startServer } from '../support/start-server.ts'
import { digestOf, type TestServer } from '../support/test-server.ts'

/** What the proxy sets for a pod, as far as it is about the pod's life. */
function sidecar(t: Test, settings: Partial<AgentSettings> = {}): Partial<AgentSettings> {
  return { sidecar: true, terminationMessageFile: join(t.testdir({ message: '' }), 'message'), ...settings }
}

async function terminationMessage({ settings }: TestServer): Promise<Record<string, string>> {
  return JSON.parse(await readFile(settings.terminationMessageFile!, 'utf8'))
}

/** The kubelet's SIGTERM after the worker has ended: the agent must still be there, and end at once. */
async function endsBySignal(t: Test, { agent, agentEnded }: TestServer): Promise<number | null> {
  await pause(300) // an agent that would end by itself has done so
  t.equal(agent.exitCode, null, 'the agent waits')
  agent.kill('SIGTERM')
  const [exitCode] = await agentEnded
  return exitCode
}

/** A worker that comes when all is over; its exit code. */
async function lateWorker(server: TestServer): Promise<number | null> {
  server.startWorker()
  const [exitCode] = await server.workerEnded
  return exitCode
}

const printed = (event: object) => 'channel' in event && event.channel === 'stdout'

const SLEEP =
  'def f(seconds):\n  import os, time\n  print(os.getpid())\n  time.sleep(seconds)\n  return "slept"'

t.test('idle: the worker ends with exit code 0, the agent waits for SIGTERM and serves nobody', async (t) => {
  const calls = await ServerCalls.start({ settings: sidecar(t, { idleSeconds: 1 }) })
  t.teardown(() => calls.close())
  const { server } = calls
  t.strictSame(await server.workerEnded, [0, null])
  t.strictSame(await terminationMessage(server), {
    state: 'stopping',
    message: 'It had no call for 1 seconds.',
  })
  t.equal(await lateWorker(server), 0)
  t.equal(await endsBySignal(t, server), 0)
})

t.test('a failed installation: the worker ends with exit code 1, and the reason stays', async (t) => {
  const folder = t.testdir()
  const { server } = await startServer(t, {
    settings: sidecar(t, {
      environmentsFolder: join(folder, 'environments'),
      environmentDigest: digestOf(folder),
      requirements: ['no-such-package-of-rexec==1.0'],
    }),
  })
  t.strictSame(await server.workerEnded, [1, null])
  await server.said(({ state }) => state === 'failed') // the worker does not wait for its agent to have noted it
  const { state, code, message } = await terminationMessage(server)
  t.match({ state, code }, { state: 'failed', code: 'install_failed' })
  t.match(message, /no-such-package-of-rexec.*\[install_failed\]$/s)
  t.equal(await endsBySignal(t, server), 1)
})

t.test('a failure before the worker has come: it is told when it comes, and does not wait', async (t) => {
  const { server } = await startServer(t, {
    withoutWorker: true,
    settings: sidecar(t, { workerSeconds: 1 }),
  })
  await server.said(({ state }) => state === 'failed')
  t.equal(await lateWorker(server), 1)
  t.equal((await terminationMessage(server)).code, 'server_failed')
  t.equal(await endsBySignal(t, server), 1)
})

t.test('a worker that is killed: worker_lost', async (t) => {
  const calls = await ServerCalls.start({ settings: sidecar(t) })
  t.teardown(() => calls.close())
  calls.server.worker!.kill('SIGKILL')
  await calls.server.said(({ state }) => state === 'failed')
  t.equal((await terminationMessage(calls.server)).code, 'worker_lost')
  t.equal(await endsBySignal(t, calls.server), 1)
})

t.test('a pod is deleted: SIGTERM to the worker, running calls end, worker 0, then the agent', async (t) => {
  const calls = await ServerCalls.start({ settings: sidecar(t) })
  t.teardown(() => calls.close())
  const { server } = calls
  const outcome = calls.run(SLEEP, '(1,)', {
    onEvent: (event) => printed(event) && server.worker!.kill('SIGTERM'),
  })
  t.equal((await outcome).result, 'slept')
  calls.broker.close()
  t.strictSame(await server.workerEnded, [0, null])
  t.strictSame(await terminationMessage(server), { state: 'stopping', message: 'It was told to stop.' })
  t.equal(await endsBySignal(t, server), 0)
})

t.test('why a pod ends the cluster knows: calls that still run are left to the broker (C11)', async (t) => {
  const ways: [signal: NodeJS.Signals, workerExit: number | null][] = [
    ['SIGTERM', 0],
    ['SIGKILL', null],
  ]
  for (const [signal, workerExit] of ways) {
    const calls = await ServerCalls.start({ settings: sidecar(t, { drainSeconds: 0 }) })
    t.teardown(() => calls.close())
    const { server } = calls
    const told = calls
      .run(SLEEP, '(60,)', { onEvent: (event) => printed(event) && server.worker!.kill(signal) })
      .then(() => 'told')
    t.equal((await server.workerEnded)[0], workerExit)
    const left = endsBySignal(t, server).then(() => 'left')
    t.equal(await Promise.race([told, left]), 'left', signal)
  }
})

t.test('a pod is deleted while its worker installs: that is no failure', async (t) => {
  const folder = t.testdir()
  const { server } = await startServer(t, {
    settings: sidecar(t, {
      environmentsFolder: join(folder, 'environments'),
      environmentDigest: digestOf(folder),
      requirements: ['numpy==2.2.6'],
    }),
  })
  await server.said(({ message }) => message.startsWith('Installing'))
  server.worker!.kill('SIGTERM')
  t.strictSame(await server.workerEnded, [0, null])
  t.equal((await terminationMessage(server)).state, 'stopping')
  t.equal(await endsBySignal(t, server), 0)
})

t.test('a pod is deleted before its worker has started: the agent does not wait for it', async (t) => {
  const { server } = await startServer(t, { withoutWorker: true, settings: sidecar(t) })
  await server.said(({ state }) => state === 'starting')
  server.agent.kill('SIGTERM')
  t.strictSame(await server.agentEnded, [0, null])
})

t.test('an agent that was killed and is started again serves nobody and says why', async (t) => {
  const calls = await ServerCalls.start({ settings: sidecar(t) })
  t.teardown(() => calls.close())
  const { server } = calls
  server.agent.kill('SIGKILL')
  t.strictSame(await server.workerEnded, [1, null])
  server.startAgent()
  const { message } = await server.said(({ state }) => state === 'failed')
  t.match(message, /was started again.*\[server_lost\]/)
  t.equal((await terminationMessage(server)).code, 'server_lost')
  t.equal(await lateWorker(server), 1)
  t.equal(await endsBySignal(t, server), 1)
})

/** Whether something listens; a connection is to be closed without a byte. */
async function connects(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  let bytes = 0
  socket.on('data', (chunk) => {
    bytes += chunk.length
  })
  const connected = await Promise.race([
    once(socket, 'end').then(() => true),
    once(socket, 'error').then(([error]) => error.code === 'ECONNRESET'), // closed before it could be used
  ]).catch((error) => error.code === 'ECONNRESET')
  socket.destroy()
  return connected && bytes === 0
}

t.test('readyPort is open from ready to stopping', async (t) => {
  const readyPort = await freePort()
  const calls = await ServerCalls.start({ settings: sidecar(t, { readyPort }) })
  t.teardown(() => calls.close())
  while (!(await connects(readyPort))) await pause(10)
  const outcome = calls.run(SLEEP, '(1,)', {
    onEvent: async (event) => {
      if (!printed(event)) return
      t.ok(await connects(readyPort), 'while a call runs')
      calls.server.worker!.kill('SIGTERM')
      await calls.broker.seen(([verb]) => verb === 'DRAIN')
      t.notOk(await connects(readyPort), 'not while it drains')
    },
  })
  t.equal((await outcome).result, 'slept')
})

t.test('readyPort is not open before the server is ready', async (t) => {
  const readyPort = await freePort()
  const { server } = await startServer(t, { withoutWorker: true, settings: sidecar(t, { readyPort }) })
  await server.said(({ state }) => state === 'starting')
  t.notOk(await connects(readyPort))
})
