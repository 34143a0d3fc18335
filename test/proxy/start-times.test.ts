import t, { type Test } from 'tap'
import { createLogger } from '../../common/logger.ts'
import { Registry } from '../../common/metrics.ts'
import type { ServerStatus, User } from '../../proxy/pipeline.ts'
import { createStartTimes } from '../../proxy/start-times.ts'
import { FakeCluster } from '../support/fake-cluster.ts'

const ALICE: User = { name: 'alice', groups: [], authenticator: 'static' }

/** A server of alice in its first phase, and what its start is measured to be. */
function start(t: Test) {
  const cluster = new FakeCluster()
  const registry = new Registry()
  const closing = new AbortController()
  t.teardown(() => closing.abort())
  const server = { name: 'default', user: 'alice', phase: 'pending', createdAt: '2026-01-01T00:00:00.000Z' }
  cluster.servers.set('alice/default', server as ServerStatus)
  const follow = createStartTimes(cluster, {
    registry,
    logger: createLogger('test', { level: 'silent' }),
    closing: closing.signal,
  })
  const followed = follow(ALICE, server as ServerStatus)
  const go = async (phase: ServerStatus['phase'], more: object = {}) => {
    // Whoever watches has seen the phase before.
    await new Promise(setImmediate)
    cluster.servers.set('alice/default', { ...cluster.servers.get('alice/default')!, ...more })
    cluster.set('alice', 'default', phase)
  }
  /** The lines that count observations or failures. */
  const shown = async () =>
    (await registry.metrics()).split('\n').filter((line) => /(_count|_total)(\{.*)? [1-9]/.test(line))
  return { cluster, followed, go, shown, closing }
}

t.test('a start is timed phase by phase until the server is ready', async (t) => {
  const { followed, go, shown } = start(t)
  await go('starting')
  await go('installing')
  await go('installing')
  await go('ready')
  await followed
  await go('stopping')
  t.same(await shown(), [
    'rexec_server_phase_seconds_count{phase="pending"} 1',
    'rexec_server_phase_seconds_count{phase="starting"} 1',
    'rexec_server_phase_seconds_count{phase="installing"} 1',
    'rexec_server_start_seconds_count{outcome="ready"} 1',
  ])
})

t.test('a start that fails is counted by its code', async (t) => {
  const { followed, go, shown } = start(t)
  await go('failed', { code: 'quota_exceeded' })
  await followed
  t.same(await shown(), [
    'rexec_server_phase_seconds_count{phase="pending"} 1',
    'rexec_server_start_seconds_count{outcome="failed"} 1',
    'rexec_server_start_failures_total{code="quota_exceeded"} 1',
  ])
})

t.test('a server that is stopped, cleared away or replaced meanwhile', async (t) => {
  for (const [phase, more] of [
    ['stopping', {}],
    ['starting', { createdAt: '2026-01-02T00:00:00.000Z' }],
  ] as const) {
    const { followed, go, shown } = start(t)
    await go(phase, more)
    await followed
    t.match((await shown()).join(), 'rexec_server_start_seconds_count{outcome="stopped"} 1')
  }
  const { cluster, followed, go, shown } = start(t)
  cluster.servers.delete('alice/default')
  await go('starting', {}).catch(() => {})
  await followed
  t.match((await shown()).join(), 'outcome="stopped"')
})

t.test('closing ends it without a count, and a cluster that fails harms nobody', async (t) => {
  const { followed, closing, shown } = start(t)
  closing.abort()
  await followed
  t.same(await shown(), [])
  const { cluster } = start(t)
  cluster.watch = () => {
    throw new Error('away')
  }
  const registry = new Registry()
  const logger = createLogger('test', { level: 'silent' })
  const follow = createStartTimes(cluster, { registry, logger, closing: closing.signal })
  await follow(ALICE, cluster.servers.get('alice/default')!)
})
