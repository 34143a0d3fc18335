import type { V1Job } from '@kubernetes/client-node'
import type { Test } from 'tap'
import { Registry } from '../../common/metrics.ts'
import type { Api } from '../../proxy/cluster/kubernetes/api.ts'
import { buildJob } from '../../proxy/cluster/kubernetes/job.ts'
import { type Reconciler, startReconciler } from '../../proxy/cluster/kubernetes/reconciler.ts'
import { createServerStore, type ServerStore } from '../../proxy/cluster/kubernetes/store.ts'
import type { Knows } from '../../proxy/cluster/kubernetes/vanished.ts'
import type { ServerRequest } from '../../proxy/pipeline.ts'
import { approvedServer, kubernetesSettings } from './kubernetes.ts'
import { testApi } from './kubernetes-cluster.ts'
import { keptLog } from './log.ts'

export interface TestReconciler {
  api: Api
  store: ServerStore
  reconciler: Reconciler
  /** Added to the time of day, in milliseconds; it goes on from there. */
  clock: { ahead: number }
  log: ReturnType<typeof keptLog>
  /** What it has done, from the log. */
  audit(): Record<string, unknown>[]
  metric(name: string, labels?: Record<string, string>): Promise<number>
}

interface Options {
  settings?: object
  knows?: Knows
  /** What the reconciler sees instead of the store itself. */
  see?: (store: ServerStore) => ServerStore
}

/** The reconciler of a proxy of its own, with what it needs, ended after the test. */
export async function testReconciler(
  t: Test,
  kubeconfig: string,
  { settings: given = {}, knows = async () => undefined, see = (store) => store }: Options = {},
): Promise<TestReconciler> {
  const settings = kubernetesSettings({ kubeconfig, ...given })
  const log = keptLog()
  const registry = new Registry()
  const clock = { ahead: 0 }
  const now = () => Date.now() + clock.ahead
  const api = testApi(t, kubeconfig, settings.requestSeconds)
  const store = createServerStore(api, settings, { logger: log.logger, registry, now })
  t.teardown(() => store.close())
  await store.ready
  const reconciler = startReconciler({
    api,
    store: see(store),
    settings,
    knows,
    logger: log.logger,
    registry,
    now,
  })
  t.teardown(() => reconciler.close())
  return {
    api,
    store,
    reconciler,
    clock,
    log,
    audit: () => log.lines.flatMap(({ audit }) => (audit ? [audit as Record<string, unknown>] : [])),
    async metric(name, labels = {}) {
      const { values } = await registry.getSingleMetric(name)!.get()
      return values.find((value) => JSON.stringify(value.labels) === JSON.stringify(labels))?.value ?? 0
    },
  }
}

/** A user's Job as it is left behind when the proxy is killed after making it. */
export function leftJob(namespace: string, request: ServerRequest = {}, settings: object = {}): V1Job {
  return buildJob(approvedServer(request), {
    namespace: { name: namespace, owner: 'alice' },
    settings: kubernetesSettings(settings),
  })
}

/** Resolves when the store shows what is asked for. */
export async function until(store: ServerStore, namespace: string, test: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(120_000)
  while (!test()) {
    signal.throwIfAborted()
    await store.changed(namespace, AbortSignal.any([signal, AbortSignal.timeout(200)]))
  }
}
