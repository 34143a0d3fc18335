import type { V1Job, V1Pod } from '@kubernetes/client-node'
import { redact } from '../../../common/logger.ts'
import type { Api, LogLineOptions } from './api.ts'
import { ApiError, asRexecError, isNotFound } from './api-error.ts'
import { AGENT, WORKER } from './names.ts'
import { pause } from './pause.ts'
import { newestPods } from './status.ts'
import type { ServerStore } from './store.ts'

/** Lines of the past that are read of each container at most. */
const MAX_PAST = 10_000
/** Characters of a line at most. */
const MAX_LINE = 16_384
/** Replicas whose logs one request reads: whoever may make pods in a namespace can make any number for a Job. */
const MAX_REPLICAS = 100
/** Milliseconds before a log that broke off is asked for again. */
const RETRY = 1000

export interface LogLine {
  /** RFC 3339 with nanoseconds; empty when the kubelet said none. */
  stamp: string
  text: string
}

/** The log of one container of one pod, read from where it was left. */
export class ContainerLog {
  readonly #api: Pick<Api, 'logLines'>
  readonly #store: Pick<ServerStore, 'pods'>
  readonly #job: V1Job
  readonly #pod: V1Pod
  readonly #container: string
  readonly #label: string
  /** The newest line that was read, and how many have just this stamp. */
  #last = ''
  #count = 0

  constructor(
    api: Pick<Api, 'logLines'>,
    store: Pick<ServerStore, 'pods'>,
    { job, pod, container, label }: { job: V1Job; pod: V1Pod; container: string; label: string },
  ) {
    this.#api = api
    this.#store = store
    this.#job = job
    this.#pod = pod
    this.#container = container
    this.#label = label
  }

  /** What there is. @throws cluster_unavailable */
  async *past(signal: AbortSignal): AsyncGenerator<LogLine> {
    try {
      yield* this.#read({ follow: false, tailLines: MAX_PAST, signal })
    } catch (error) {
      if (!isMissing(error)) throw asRexecError(error)
    }
  }

  /** What comes after it, until the container has ended. What breaks off is asked for again. */
  async *coming(signal: AbortSignal): AsyncGenerator<LogLine> {
    while (!signal.aborted) {
      const state = this.#state()
      try {
        yield* this.#read({ follow: true, signal, ...(this.#last && { sinceTime: this.#last }) })
        // It was at its end before it was read, so this is all.
        if (state === 'ended') return
      } catch (error) {
        if (state === 'ended' && isMissing(error)) return
        if (error instanceof ApiError && error.status === 403) throw asRexecError(error)
      }
      if (state === 'gone') return
      await pause(RETRY, signal)
    }
  }

  get hasStarted(): boolean {
    return this.#state() !== 'waiting'
  }

  async *#read(options: LogLineOptions) {
    const { namespace, name } = this.#pod.metadata!
    let again = this.#count
    const last = this.#last
    const lines = this.#api.logLines(namespace!, name!, this.#container, { timestamps: true, ...options })
    for await (const line of lines) {
      if (options.signal.aborted) return
      const [, stamp = '', text = line] = /^(\d{4}-\S+) (.*)$/s.exec(line) ?? []
      if (last && isBefore(stamp, last)) continue
      if (stamp === last && again-- > 0) continue
      this.#count = stamp === this.#last ? this.#count + 1 : 1
      this.#last = stamp
      yield { stamp, text: `${this.#label}${this.#container}: ${redact(text.slice(0, MAX_LINE))}` }
    }
  }

  #state(): 'waiting' | 'running' | 'ended' | 'gone' {
    const pod = this.#store.pods(this.#job).find(({ metadata }) => metadata?.uid === this.#pod.metadata?.uid)
    if (!pod) return 'gone'
    const { containerStatuses = [], initContainerStatuses = [], phase } = pod.status ?? {}
    const status = [...containerStatuses, ...initContainerStatuses].find(
      ({ name }) => name === this.#container,
    )
    if (status?.state?.terminated) return 'ended'
    if (phase === 'Failed' || phase === 'Succeeded') return 'ended'
    return status?.state?.running || status?.lastState?.terminated ? 'running' : 'waiting'
  }
}

/** The pods that count, by the index of their replica: the first ones, for each log that is read is a connection. */
export function podsToRead(job: V1Job, pods: readonly V1Pod[]): [index: number, pod: V1Pod][] {
  const newest = newestPods(pods)
  const count = Math.min(job.spec?.completions ?? 1, MAX_REPLICAS)
  return Array.from({ length: count }, (_, index) => index).flatMap((index) => {
    const pod = newest.get(index)
    return pod ? [[index, pod] as [number, V1Pod]] : []
  })
}

/** Their containers; labelled with the number of the replica when there is more than one. */
export function containersOf(job: V1Job, pods: readonly V1Pod[]) {
  const many = (job.spec?.completions ?? 1) > 1
  return podsToRead(job, pods).flatMap(([index, pod]) => {
    const label = many ? `${index + 1} ` : ''
    return [AGENT, WORKER].map((container) => ({ job, pod, container, label }))
  })
}

/** The pod is gone, or the container has not started. */
function isMissing(error: unknown): boolean {
  return isNotFound(error) || (error instanceof ApiError && error.status === 400)
}

/** Stamps of one kubelet have the same zone and the same length. */
function isBefore(stamp: string, other: string): boolean {
  return stamp < other
}
