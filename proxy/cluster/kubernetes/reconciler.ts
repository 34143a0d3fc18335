import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { V1DeleteOptions, V1Job, V1Namespace } from '@kubernetes/client-node'
import type { Logger } from '../../../common/logger.ts'
import { Counter, type Registry } from '../../../common/metrics.ts'
import type { Act } from '../../audit.ts'
import type { Api } from './api.ts'
import { ApiError, isConflict, isNotFound } from './api-error.ts'
import { dueFor } from './due.ts'
import { VERDICT } from './names.ts'
import type { KubernetesSettings } from './settings.ts'
import { serverName, type Verdict } from './status.ts'
import type { ServerStore } from './store.ts'
import { areTooMany, createVanishing, type Knows } from './vanished.ts'

/**
 * Changes come in swarms: between two passes there is at least this time, and ten times what the last one took (but never
 * more than reconcileSeconds), so that this is a small part of what proxy and API server do.
 */
const PAUSE_MS = 1000
const PAUSE_FACTOR = 10
/** What the API server refuses for one object is not asked for again before this time, unless the object has changed. */
const REFUSED_MS = 600_000
/** Servers looked at in one turn of the event loop. */
const AT_ONCE = 50

const TOO_MANY =
  'Most users are unknown at once, as when the hub is empty or identity.jupyterhub.apiUrl is another hub: nobody is taken for vanished. Check the hub; if they have really left, raise cluster.kubernetes.namespaces.maxVanishedShare.'

interface Owned {
  namespace: V1Namespace
  user: string
}

/**
 * Does what nobody asks for, again and again: ends servers that cannot get better, clears away starts that were
 * interrupted and servers that have ended long ago, stops those of users who have vanished. Every proxy does it; an act
 * names the very object that was looked at (uid and resourceVersion), so it is done once whoever is first.
 */
export interface Reconciler {
  /** Looks at everything once. Never rejects: what cannot be done now is tried again the next time. */
  pass(): Promise<void>
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>
}

export interface ReconcilerOptions {
  api: Api
  store: ServerStore
  settings: KubernetesSettings
  knows: Knows
  logger: Logger
  registry: Registry
  /** Milliseconds since the epoch. */
  now?: () => number
}

/** Begins when the store has read everything. */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  const { api, store, settings, knows, logger, registry, now = Date.now } = options
  const { whenUserVanishes, mode, maxVanishedShare } = settings.namespaces
  const isDeleted = mode === 'made' && whenUserVanishes === 'delete'
  const vanishing = createVanishing(api, settings, now)
  const closing = new AbortController()
  /** When it was: for a user can have Jobs of another shape than the admission policies let this account write. */
  const refused = new WeakMap<V1Job | V1Namespace, number>()
  /** Whether so many are unknown that none of them is taken for vanished. */
  let holding = false
  const acts = new Counter({
    name: 'rexec_reconciler_acts_total',
    help: 'What was done without being asked for',
    labelNames: ['action'],
    registers: [registry],
  })
  const failures = new Counter({
    name: 'rexec_reconciler_failures_total',
    help: 'What could not be done; it is tried again',
    registers: [registry],
  })

  /** Undefined when it was not done. @throws ApiError when the API server is not well: then nothing else is tried */
  async function attempt<T>(
    object: V1Job | V1Namespace,
    about: object,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    closing.signal.throwIfAborted()
    if (now() < (refused.get(object) ?? Number.NEGATIVE_INFINITY) + REFUSED_MS) return undefined
    try {
      return await work()
    } catch (error) {
      // Another proxy was faster, or it is not as it was when it was looked at.
      if (isNotFound(error) || isConflict(error)) return undefined
      // What the API server refuses it may refuse for this object alone.
      if (!(error instanceof ApiError && (error.status === 403 || error.status === 422))) throw error
      refused.set(object, now())
      failures.inc()
      logger.warn({ err: error, ...about }, 'the reconciler may not do this')
      return undefined
    }
  }

  /** Leaves a line of audit when it was this process that did it. */
  async function doing(object: V1Job | V1Namespace, act: Act, work: () => Promise<object>): Promise<void> {
    if (!(await attempt(object, act, work))) return
    acts.inc({ action: act.action })
    logger.info({ audit: { ...act, actor: 'rexec', outcome: 'done' } }, 'audit')
  }

  const end = (job: V1Job, user: string, verdict: Verdict) =>
    doing(job, { action: 'server.fail', user, server: serverName(job), reason: verdict.code }, async () => {
      const { name, namespace, uid, resourceVersion } = job.metadata!
      const annotations = { [VERDICT]: JSON.stringify(verdict) }
      const ended = await api.patch<V1Job>(
        { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: name!, namespace: namespace! } },
        // The Job controller ends the pods, and its ttl clears the Job away.
        { metadata: { uid, resourceVersion, annotations }, spec: { activeDeadlineSeconds: 1 } },
      )
      store.put(ended)
      return ended
    })

  const remove = (job: V1Job, act: Act) =>
    doing(job, act, () =>
      api.batch.deleteNamespacedJob({
        name: job.metadata!.name!,
        namespace: job.metadata!.namespace!,
        body: act.reason === 'node_lost' ? releaseOf(job) : deletionOf(job),
      }),
    )

  async function servers(): Promise<void> {
    let looked = 0
    for (const server of store.all()) {
      // Requests are not to wait until thousands of servers have been looked at.
      if (++looked % AT_ONCE === 0) await setImmediate()
      const { job, status } = server
      const due = dueFor(server, settings, now())
      const about = { user: status.user, server: status.name }
      if (due?.act === 'fail') await end(job, status.user, due.verdict)
      if (due?.act === 'clear') await remove(job, { action: 'server.clear', ...about, reason: due.why })
    }
  }

  async function users(): Promise<void> {
    const vanished: Owned[] = []
    let known = 0
    let unknown = 0
    for (const namespace of [...store.namespaces()]) {
      const name = namespace.metadata!.name!
      const user = store.ownerOf(name)
      // Whose it is, is not sure: hands off.
      if (user === undefined || namespace.metadata!.deletionTimestamp) continue
      const answer = await knows(user)
      if (answer === true) known++
      const hasVanished = await attempt(namespace, { namespace: name, user }, () =>
        vanishing.hasVanished(namespace, answer),
      )
      // Whoever left long ago, and has nothing more to lose, says nothing about the hub of today.
      if (answer !== false || !(isDeleted || jobsOf(name, user).length > 0)) continue
      unknown++
      if (hasVanished) vanished.push({ namespace, user })
    }
    if (!isPlausible(unknown, known)) return
    for (const owned of vanished) await leave(owned)
  }

  /** Is told once, and counted as long as it lasts. */
  function isPlausible(unknown: number, known: number): boolean {
    const wasHolding = holding
    holding = areTooMany(unknown, known, maxVanishedShare)
    if (!holding) return true
    failures.inc()
    if (!wasHolding) logger.error({ unknown, known }, TOO_MANY)
    return false
  }

  const jobsOf = (namespace: string, user: string) =>
    store
      .list(namespace, user)
      .map((server) => ({ server: server.name, job: store.job(namespace, server.name) }))
      .filter(({ job }) => job && !job.metadata!.deletionTimestamp)

  async function leave({ namespace, user }: Owned): Promise<void> {
    const name = namespace.metadata!.name!
    // What was remembered may be old: somebody who has come back has perhaps just started a server.
    if ((await knows(user, { fresh: true })) !== false) return
    for (const { server, job } of jobsOf(name, user)) {
      await remove(job!, { action: 'server.stop', user, server, reason: 'vanished' })
    }
    if (!isDeleted) return
    await doing(namespace, { action: 'namespace.delete', user, namespace: name, reason: 'vanished' }, () =>
      api.core.deleteNamespace({ name, body: deletionOf(namespace) }),
    )
  }

  async function pass(): Promise<void> {
    // What it knows is old, and the API server is not well.
    if (store.deafSince() !== undefined) return
    try {
      await servers()
      await users()
    } catch (error) {
      if (closing.signal.aborted) return
      failures.inc()
      logger.warn({ err: error }, 'the reconciler could not finish; it tries again')
    }
  }

  async function run(): Promise<void> {
    const { signal } = closing
    const interval = settings.reconcileSeconds * 1000
    await Promise.race([store.ready, aborted(signal)])
    while (!signal.aborted) {
      const begin = performance.now()
      const next = AbortSignal.any([signal, AbortSignal.timeout(interval)])
      // Listens before it looks: what changes meanwhile, also by its own doing, is looked at again.
      const change = store.changedAnywhere(next)
      await pass()
      const pause = Math.max(PAUSE_MS, PAUSE_FACTOR * (performance.now() - begin))
      await sleep(Math.min(pause, interval), undefined, { signal }).catch(() => {})
      await change
    }
  }

  const running = run()
  return {
    pass,
    async close() {
      closing.abort()
      await running
    },
  }
}

/** Of this very object, as it was looked at; what belongs to it goes first. */
function deletionOf({ metadata }: V1Job | V1Namespace): V1DeleteOptions {
  const { uid, resourceVersion } = metadata!
  return { propagationPolicy: 'Foreground', preconditions: { uid: uid!, resourceVersion: resourceVersion! } }
}

/** Of one that is being deleted, without waiting any longer. That is never taken back, so it does not matter what changed. */
function releaseOf({ metadata }: V1Job): V1DeleteOptions {
  return { propagationPolicy: 'Background', preconditions: { uid: metadata!.uid! } }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
