import type { V1Namespace } from '@kubernetes/client-node'
import type { Namespace } from '../../pipeline.ts'
import type { Api } from './api.ts'
import { isNotFound } from './api-error.ts'
import { Informer, type InformerOptions, type Watched } from './informer.ts'
import { OWNER, OWNER_HASH, ownerHash, ownLabels, selectorOf } from './names.ts'
import { keptNamespace } from './objects.ts'
import type { KubernetesSettings } from './settings.ts'

/** Which namespace is whose, as the namespaces themselves say. */
export interface Owners {
  /** Resolves when all namespaces have been read once. */
  ready: Promise<void>
  /** Undefined for what does not carry our labels, or not both label and annotation of one owner. */
  ownerOf(namespace: string): string | undefined
  all(): Iterable<V1Namespace>
  /** What a request has just read or written counts until a watch, or the next look, must have told of it too. */
  proven(namespace: Namespace): void
  /** What watches them; none in mode given. */
  informers: Iterable<Watched>
  close(): void
}

/** In which a watch tells of what was written. */
const LAG_SECONDS = 10

type Shared = Pick<InformerOptions<V1Namespace, V1Namespace>, 'api' | 'logger' | 'now' | 'onHealth'>
type Settings = Pick<KubernetesSettings, 'instance' | 'namespaces' | 'reconcileSeconds'>

export function createOwners(api: Api, settings: Settings, shared: Shared): Owners {
  const { mode, given } = settings.namespaces
  const { reconcileSeconds } = settings
  const { now = Date.now } = shared
  const source = mode === 'made' ? watched(api, settings, shared) : read(api, settings, shared)
  const proven = new Map<string, { owner: string; until: number }>()
  return {
    ...source,
    proven({ name, owner }) {
      proven.set(name, { owner, until: now() + (reconcileSeconds + LAG_SECONDS) * 1000 })
    },
    ownerOf(name) {
      const fresh = proven.get(name)
      if (fresh && now() < fresh.until) return fresh.owner
      proven.delete(name)
      const { metadata } = source.get(name) ?? {}
      const owner = metadata?.annotations?.[OWNER]
      if (owner === undefined || (mode === 'given' && given[owner] !== name)) return undefined
      const wanted = Object.entries({ ...ownLabels(settings.instance), [OWNER_HASH]: ownerHash(owner) })
      return wanted.every(([label, value]) => metadata?.labels?.[label] === value) ? owner : undefined
    },
  }
}

type Source = Omit<Owners, 'ownerOf' | 'proven'> & { get(name: string): V1Namespace | undefined }

/** Mode made: all namespaces with our prefix and labels. */
function watched(api: Api, { instance, namespaces: { prefix } }: Settings, shared: Shared): Source {
  const informer = new Informer<V1Namespace, V1Namespace>({
    ...shared,
    resource: 'namespaces',
    path: '/api/v1/namespaces',
    labelSelector: selectorOf(ownLabels(instance)),
    list: (page) => api.core.listNamespace(page),
    keep: (namespace) =>
      namespace.metadata?.name?.startsWith(prefix) ? keptNamespace(namespace) : undefined,
    onChange: () => undefined,
  })
  return {
    ready: informer.ready,
    get: (name) => informer.get('', name),
    all: () => informer.all(),
    informers: [informer],
    close: () => informer.close(),
  }
}

/** Mode given: there is no right to list namespaces, so each is read now and then. */
function read(api: Api, { namespaces: { given }, reconcileSeconds }: Settings, { logger }: Shared): Source {
  const known = new Map<string, V1Namespace>()
  const names = [...new Set(Object.values(given))]
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function readOne(name: string): Promise<void> {
    try {
      known.set(name, keptNamespace(await api.core.readNamespace({ name })))
    } catch (error) {
      // What was known of it stays while the API server is away.
      if (isNotFound(error)) known.delete(name)
      else logger.debug({ err: error }, `namespace ${name} cannot be read`)
    }
  }

  async function readAll(): Promise<void> {
    for (const name of names) if (!closed) await readOne(name)
    if (!closed) timer = setTimeout(readAll, reconcileSeconds * 1000)
  }

  return {
    ready: readAll(),
    get: (name) => known.get(name),
    all: () => known.values(),
    informers: [],
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
