import type { CoreV1Event, V1Job, V1Namespace, V1ObjectMeta, V1Pod } from '@kubernetes/client-node'
import type { Logger } from '../../../common/logger.ts'
import { Gauge, type Registry } from '../../../common/metrics.ts'
import type { Namespace, Phase, ServerStatus } from '../../pipeline.ts'
import type { Api } from './api.ts'
import type { Page, Watched } from './informer.ts'
import { OWNER, objectName, ownLabels, selectorOf } from './names.ts'
import { type JobEvent, keptEvent, keptJob, keptPod, keptPodEvent, type PodEvent } from './objects.ts'
import { createOwners } from './owners.ts'
import type { KubernetesSettings } from './settings.ts'
import { type Judgement, judge, toServerStatus, type Verdict } from './status.ts'
import { createWaiting } from './waiting.ts'
import { pathOf, Watches } from './watches.ts'

/** Warnings kept of one namespace; whoever may write events there can add any number. */
const MAX_EVENTS = 500
/** Jobs kept of one namespace, and pods: quotas count no pods that have ended, and a user may be able to make them. */
const MAX_OBJECTS = 5000
/**
 * Warnings about pods, without the frequent ones that the pods' own status tells as well: a selector cannot name several
 * reasons to take, and each further watch of events costs the API server as much as this one.
 */
const POD_WARNINGS = [
  'involvedObject.kind=Pod,type=Warning',
  ...['BackOff', 'Failed', 'FailedScheduling', 'Unhealthy', 'FailedToRetrieveImagePullSecret'].map(
    (reason) => `reason!=${reason}`,
  ),
].join(',')
/** A watch that is begun anew is deaf for a moment; milliseconds. */
const UNHEARD_AFTER = 3000
/** What users read of a server that was on its way when the API server was last heard of. */
const UNHEARD = 'The cluster does not answer now, so this may be old.'
const CHANGING = new Set<Phase>(['pending', 'starting', 'installing', 'stopping'])
/** Of a wait for time alone to change something, in milliseconds. */
const SHORTEST_WAIT = 10
const LONGEST_WAIT = 3_600_000

/** A server as the reconciler sees it. */
export interface KnownServer {
  job: V1Job
  pods: V1Pod[]
  status: ServerStatus
  /** Why the Job must be ended: its failure would otherwise come alive again behind a status "failed". */
  verdict?: Verdict
}

/**
 * All servers of this installation as the API server has told of them: reading costs no call, and any number of
 * proxies see the same. Objects hold the fields that objects.ts keeps, and must not be changed.
 */
export interface ServerStore {
  /** Resolves when everything has been read once. */
  readonly ready: Promise<void>
  /** Servers in this namespace whose namespace and Job are this user's. */
  list(namespace: string, owner: string): ServerStatus[]
  get(namespace: string, owner: string, name: string): ServerStatus | undefined
  /** By the name of the server. */
  job(namespace: string, name: string): V1Job | undefined
  /** Pods of this very Job. */
  pods(job: V1Job): V1Pod[]
  /** The user whose namespace this is by its label and annotation; undefined for any other namespace. */
  ownerOf(namespace: string): string | undefined
  namespaces(): Iterable<V1Namespace>
  /** What this process has just written is seen at once; never replaces what is newer. */
  put(job: V1Job): void
  /** A namespace whose owner was just proven by reading or making it. */
  proven(namespace: Namespace): void
  /** Resolves when the Job with this uid is gone. Rejects with the signal's reason when it aborts first. */
  gone(namespace: string, uid: string, signal: AbortSignal): Promise<void>
  /** Resolves at the next change in this namespace, also by time alone, or when the signal aborts. */
  changed(namespace: string, signal: AbortSignal): Promise<void>
  /** Resolves at the next change of a Job, pod or event anywhere, or when the signal aborts. */
  changedAnywhere(signal: AbortSignal): Promise<void>
  /** All servers whose namespace has an owner. */
  all(): Iterable<KnownServer>
  /** All Jobs of this installation, also where the namespace has no owner. */
  jobs(): Iterable<V1Job>
  /** Since when changes are not heard of (milliseconds since the epoch); undefined while all is well. */
  deafSince(): number | undefined
  close(): Promise<void>
}

export interface StoreOptions {
  logger: Logger
  registry: Registry
  /** Milliseconds since the epoch. */
  now?: () => number
}

export function createServerStore(
  api: Api,
  settings: KubernetesSettings,
  { logger, registry, now = Date.now }: StoreOptions,
): ServerStore {
  const { namespaces } = settings
  const given = namespaces.mode === 'given' ? [...new Set(Object.values(namespaces.given))] : undefined
  const waiting = createWaiting()
  /** No label makes a server of what is where no user's namespace can be: it costs nothing, however much there is. */
  const isElsewhere = ({ metadata }: { metadata?: V1ObjectMeta }) =>
    given === undefined && metadata?.namespace?.startsWith(namespaces.prefix) !== true
  const shared = { api, logger, now, onChange: waiting.wake, onHealth: waiting.wakeAll }
  const own = {
    ...shared,
    labelSelector: selectorOf(ownLabels(settings.instance)),
    // A namespace to which its administrator has given no rights yet does not hold up the others.
    mayBeRefused: given !== undefined,
  }
  const jobs = new Watches<V1Job, V1Job>(given, (namespace) => ({
    ...own,
    resource: 'jobs',
    namespace,
    path: pathOf('/apis/batch/v1', namespace, 'jobs'),
    list: (page) =>
      namespace === undefined
        ? api.batch.listJobForAllNamespaces(page)
        : api.batch.listNamespacedJob({ namespace, ...page }),
    keep: (job) => (isElsewhere(job) ? undefined : keptJob(job)),
    maxPerNamespace: MAX_OBJECTS,
  }))
  const pods = new Watches<V1Pod, V1Pod>(given, (namespace) => ({
    ...own,
    resource: 'pods',
    namespace,
    path: pathOf('/api/v1', namespace, 'pods'),
    list: (page) =>
      namespace === undefined
        ? api.core.listPodForAllNamespaces(page)
        : api.core.listNamespacedPod({ namespace, ...page }),
    keep: (pod) => (isElsewhere(pod) ? undefined : keptPod(pod)),
    maxPerNamespace: MAX_OBJECTS,
  }))
  const ofEvents = (namespace: string | undefined, about: string) => ({
    ...own,
    labelSelector: undefined,
    resource: 'events',
    namespace,
    path: pathOf('/api/v1', namespace, 'events'),
    fieldSelector: about,
    list: (page: Page) =>
      namespace === undefined
        ? api.core.listEventForAllNamespaces(page)
        : api.core.listNamespacedEvent({ namespace, ...page }),
    maxPerNamespace: MAX_EVENTS,
  })
  const events = new Watches<CoreV1Event, JobEvent>(given, (namespace) => ({
    ...ofEvents(namespace, 'involvedObject.kind=Job,type=Warning,reason=FailedCreate'),
    keep: (event) => (isElsewhere(event) ? undefined : keptEvent(event)),
  }))
  const podEvents = new Watches<CoreV1Event, PodEvent>(given, (namespace) => ({
    ...ofEvents(namespace, POD_WARNINGS),
    keep: (event) => (isElsewhere(event) ? undefined : keptPodEvent(event)),
  }))
  const owners = createOwners(api, settings, shared)
  const informers = [jobs, pods, events, podEvents, owners].flatMap((source): Watched[] => [
    ...source.informers,
  ])
  new Gauge({
    name: 'rexec_kubernetes_watches',
    help: 'Watches of the API server, by whether changes are heard of',
    labelNames: ['resource', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { resource, deafSince } of informers) {
        this.inc({ resource, state: 'up' }, deafSince === undefined ? 1 : 0)
        this.inc({ resource, state: 'down' }, deafSince === undefined ? 0 : 1)
      }
    },
  })

  /** No time passes where changes are not heard of: what seems late may have happened unheard. */
  function timeIn(namespace: string): number {
    const deaf = [jobs, pods, events, podEvents].flatMap((watches) => watches.deafSince(namespace) ?? [])
    return Math.min(now(), ...deaf)
  }

  /** With a watch for each namespace, one to which there are no rights does not count. */
  function deafSince(): number | undefined {
    const deaf = informers.flatMap((informer) => informer.deafSince ?? [])
    const isDeaf = deaf.length > 0 && (given === undefined || deaf.length === informers.length)
    return isDeaf ? Math.min(...deaf) : undefined
  }

  const podsOf = ({ metadata }: V1Job): V1Pod[] => {
    const evictions = podEvents.in(metadata!.namespace!).filter(({ reason }) => reason === 'Evicted')
    const messages = new Map(evictions.map(({ pod, message }) => [pod, message]))
    return pods
      .in(metadata!.namespace!)
      .filter((pod) => pod.metadata?.ownerReferences?.[0]?.uid === metadata!.uid)
      .map((pod) => withEviction(pod, messages.get(pod.metadata!.uid!)))
  }

  const eventsOf = ({ metadata }: V1Job): JobEvent[] =>
    events.in(metadata!.namespace!).filter(({ job }) => job === metadata!.uid)

  function judged(job: V1Job): Judgement {
    const time = timeIn(job.metadata!.namespace!)
    const said = { events: eventsOf(job), podEvents: podEvents.in(job.metadata!.namespace!) }
    const judgement = judge({ job, pods: podsOf(job), ...said, now: time }, settings)
    if (time > now() - UNHEARD_AFTER || !CHANGING.has(judgement.phase)) return judgement
    return { ...judgement, message: `${judgement.message} ${UNHEARD}` }
  }

  /** The user whose server this is: the owner of its namespace, if the Job says the same. */
  function ownerOf({ metadata }: V1Job): string | undefined {
    const { name = '', namespace = '', annotations } = metadata ?? {}
    const owner = name.startsWith(objectName('')) ? owners.ownerOf(namespace) : undefined
    return owner !== undefined && annotations?.[OWNER] === owner ? owner : undefined
  }

  function statusOf(job: V1Job | undefined, owner: string): ServerStatus | undefined {
    return job && ownerOf(job) === owner ? toServerStatus(job, judged(job), owner) : undefined
  }

  /** Milliseconds until time alone changes something in the namespace. */
  function untilNextLook(namespace: string): number {
    const time = now()
    const heard = timeIn(namespace)
    if (heard < time) {
      const left = heard + UNHEARD_AFTER - time
      return left > 0 ? Math.max(SHORTEST_WAIT, left) : LONGEST_WAIT
    }
    const looks = jobs.in(namespace).flatMap((job) => judged(job).lookAt ?? [])
    return Math.max(SHORTEST_WAIT, Math.min(LONGEST_WAIT, ...looks.map((look) => look - now())))
  }

  const changed = (namespace: string, signal: AbortSignal) =>
    waiting.wait(namespace, untilNextLook(namespace), signal)

  return {
    ready: Promise.all([owners, ...informers].map(({ ready }) => ready)).then(() => undefined),
    list: (namespace, owner) => jobs.in(namespace).flatMap((job) => statusOf(job, owner) ?? []),
    get: (namespace, owner, name) => statusOf(jobs.get(namespace, objectName(name)), owner),
    job: (namespace, name) => jobs.get(namespace, objectName(name)),
    pods: podsOf,
    ownerOf: owners.ownerOf,
    namespaces: owners.all,
    put: (job) => jobs.put(job),
    proven: owners.proven,
    async gone(namespace, uid, signal) {
      while (jobs.in(namespace).some(({ metadata }) => metadata?.uid === uid)) {
        signal.throwIfAborted()
        await changed(namespace, signal)
      }
    },
    changed,
    changedAnywhere: waiting.waitAnywhere,
    *all() {
      for (const job of jobs.all()) {
        const owner = ownerOf(job)
        if (owner === undefined) continue
        const judgement = judged(job)
        const { verdict } = judgement
        const status = toServerStatus(job, judgement, owner)
        yield { job, pods: podsOf(job), status, ...(verdict && { verdict }) }
      }
    },
    jobs: () => jobs.all(),
    deafSince,
    async close() {
      for (const source of [jobs, pods, events, podEvents, owners]) source.close()
      waiting.wakeAll()
    },
  }
}

/** As its status says it of a pod that has failed. */
function withEviction(pod: V1Pod, message: string | undefined): V1Pod {
  if (message === undefined || pod.status?.reason) return pod
  return { ...pod, status: { ...pod.status, reason: 'Evicted', message } }
}
