import type { KubernetesObject, V1ListMeta } from '@kubernetes/client-node'
import type { Logger } from '../../../common/logger.ts'
import type { Api } from './api.ts'
import { ApiError, isGone, isNoRight } from './api-error.ts'
import { pause } from './pause.ts'

/** Objects of one page of a list. */
const PAGE = 500
/** Milliseconds before the first new try after a failure; doubled for each that follows, up to the longest. */
const FIRST_PAUSE = 250
const LONGEST_PAUSE = 15_000
/** After so many failures in a row everything is listed anew. */
const RELIST_AFTER = 5
/** Objects that are known to be deleted; a late answer may still bring one back. The oldest are forgotten. */
const TOMBSTONES = 10_000

export interface InformerOptions<Raw extends KubernetesObject, Kept extends KubernetesObject> {
  /** What is watched, and where if not everywhere: for log and metric. */
  resource: string
  namespace?: string | undefined
  api: Pick<Api, 'watch'>
  /** Path of the list, such as /api/v1/pods. */
  path: string
  labelSelector?: string | undefined
  fieldSelector?: string | undefined
  list(page: Page): Promise<{ metadata?: V1ListMeta; items: Raw[] }>
  /** What of an object is kept; undefined leaves it out. */
  keep(object: Raw): Kept | undefined
  /** Objects of one namespace at most; the oldest give way. */
  maxPerNamespace?: number
  /** Counts as read when there is no right to read it; it is tried again all the same. */
  mayBeRefused?: boolean
  onChange(namespace: string): void
  /** Whether what is known is up to date has changed. */
  onHealth(): void
  logger: Logger
  now?: () => number
  /** Milliseconds, see FIRST_PAUSE. */
  firstPause?: number
}

/** What is known of an informer whatever it watches. */
export interface Watched {
  readonly resource: string
  readonly ready: Promise<void>
  readonly deafSince: number | undefined
}

export interface Page {
  labelSelector?: string
  fieldSelector?: string
  limit: number
  _continue?: string
}

/**
 * Knows all objects of a list, by listing them once and watching from there, for ever: after a lost connection it goes
 * on where it was, and lists anew where the API server has forgotten that. What is known stays until the new list is
 * complete. No object ever goes back to an older resourceVersion or comes back from the dead.
 */
export class Informer<Raw extends KubernetesObject, Kept extends KubernetesObject> implements Watched {
  readonly resource: string
  /** Resolves when everything has been read once and changes are heard of; never rejects. */
  readonly ready: Promise<void>
  /** Since when (milliseconds since the epoch) changes are not heard of; undefined while they are. */
  deafSince: number | undefined
  readonly #options: InformerOptions<Raw, Kept>
  readonly #what: string
  readonly #now: () => number
  readonly #objects = new Map<string, Map<string, Kept>>()
  /** uid of what has left the list -> the resourceVersion since when. */
  readonly #tombstones = new Map<string, string>()
  readonly #closing = new AbortController()
  #version: string | undefined
  /** What the log says last. */
  #told: 'nothing' | 'watching' | 'trouble' = 'nothing'
  #becomeReady!: () => void

  constructor(options: InformerOptions<Raw, Kept>) {
    this.#options = options
    const { resource, namespace } = options
    this.resource = resource
    this.#what = namespace === undefined ? resource : `${resource} in ${namespace}`
    this.#now = options.now ?? Date.now
    this.deafSince = this.#now()
    this.ready = new Promise((resolve) => {
      this.#becomeReady = resolve
    })
    void this.#run()
  }

  get(namespace: string, name: string): Kept | undefined {
    return this.#objects.get(namespace)?.get(name)
  }

  in(namespace: string): Iterable<Kept> {
    return this.#objects.get(namespace)?.values() ?? []
  }

  *all(): Iterable<Kept> {
    for (const objects of this.#objects.values()) yield* objects.values()
  }

  /** Takes in what this process has just written or read, unless something newer is known. */
  put(object: Raw): void {
    const kept = this.#options.keep(object)
    if (kept) this.#set(kept)
  }

  close(): void {
    this.#closing.abort()
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    const { firstPause = FIRST_PAUSE } = this.#options
    let failures = 0
    while (!signal.aborted) {
      const began = this.#now()
      try {
        if (this.#version === undefined) await this.#list()
        await this.#watch(() => {
          failures = 0
        })
        // The server ends a watch now and then; one that ends at once must not become a busy loop.
        if (this.#now() - began < firstPause) await pause(firstPause, signal)
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        // Also when a watch is refused for another reason: whatever it is, a new list may be answered.
        if (isGone(error) || failures > RELIST_AFTER) this.#version = undefined
        this.#lost(error)
        const longest = Math.min(LONGEST_PAUSE, firstPause * 2 ** (failures - 1))
        await pause(longest * (0.5 + Math.random() / 2), signal)
      }
    }
  }

  async #list(): Promise<void> {
    const { list, keep, labelSelector, fieldSelector } = this.#options
    const listed = new Set<string>()
    let version = ''
    let _continue: string | undefined
    do {
      const page = await list({ labelSelector, fieldSelector, limit: PAGE, ...(_continue && { _continue }) })
      if (this.#closing.signal.aborted) return
      for (const item of page.items) {
        const kept = keep(item)
        if (!kept) continue
        listed.add(kept.metadata!.uid!)
        this.#set(kept)
      }
      version = page.metadata!.resourceVersion!
      _continue = page.metadata!._continue || undefined
    } while (_continue)
    // What the list does not hold is gone, unless it was made after the list.
    for (const object of [...this.all()]) {
      const { uid, resourceVersion } = object.metadata!
      if (!listed.has(uid!) && !isNewer(resourceVersion!, version)) this.#delete(object, version)
    }
    this.#version = version
  }

  async #watch(onOpen: () => void): Promise<void> {
    const { api, path, labelSelector, fieldSelector, keep } = this.#options
    const query = {
      ...(labelSelector && { labelSelector }),
      ...(fieldSelector && { fieldSelector }),
      resourceVersion: this.#version!,
    }
    const opened = () => {
      onOpen()
      this.#heard()
    }
    for await (const event of api.watch<Raw>(path, query, this.#closing.signal, opened)) {
      this.#heard()
      const version = event.object.metadata!.resourceVersion!
      this.#version = version
      const kept = event.type === 'BOOKMARK' ? undefined : keep(event.object)
      if (!kept) continue
      if (event.type === 'DELETED') this.#delete(kept, version)
      else this.#set(kept)
    }
  }

  #set(object: Kept): void {
    const { namespace = '', name, uid, resourceVersion } = object.metadata!
    if (!isNewer(resourceVersion!, this.#tombstones.get(uid!) ?? '0')) return
    const objects = this.#objects.get(namespace) ?? new Map<string, Kept>()
    const known = objects.get(name!)
    if (known && !isNewer(resourceVersion!, known.metadata!.resourceVersion!)) return
    this.#objects.set(namespace, objects)
    objects.set(name!, object)
    const { maxPerNamespace = Number.POSITIVE_INFINITY, onChange } = this.#options
    if (objects.size > maxPerNamespace) objects.delete(objects.keys().next().value!)
    onChange(namespace)
  }

  /** @param version at which it was gone, or matched the selectors no more */
  #delete(object: Kept, version: string): void {
    const { namespace = '', name, uid } = object.metadata!
    this.#tombstones.set(uid!, version)
    if (this.#tombstones.size > TOMBSTONES) this.#tombstones.delete(this.#tombstones.keys().next().value!)
    const objects = this.#objects.get(namespace)
    // Another of the same name may have been made since.
    if (objects?.get(name!)?.metadata?.uid !== uid) return
    objects!.delete(name!)
    if (objects!.size === 0) this.#objects.delete(namespace)
    this.#options.onChange(namespace)
  }

  #heard(): void {
    this.#becomeReady()
    if (this.deafSince === undefined) return
    this.deafSince = undefined
    if (this.#told !== 'watching') this.#options.logger.info(`watching ${this.#what}`)
    this.#told = 'watching'
    this.#options.onHealth()
  }

  #lost(error: unknown): void {
    const { logger, mayBeRefused, onHealth } = this.#options
    if (mayBeRefused && error instanceof ApiError && error.status === 403) this.#becomeReady()
    this.deafSince ??= this.#now()
    // That a version is forgotten is ordinary.
    if (this.#told === 'trouble' || isGone(error)) return
    this.#told = 'trouble'
    const hint = isNoRight(error) ? ': the service account lacks this right (docs/admin/rbac.md)' : ''
    logger.warn({ err: error }, `${this.#what} cannot be watched${hint}; trying again until they can`)
    onHealth()
  }
}

/** Kubernetes' resourceVersions are numbers that grow, those of all objects together. */
function isNewer(version: string, than: string): boolean {
  return version.length === than.length ? version > than : version.length > than.length
}
