import {
  AuthenticationV1Api,
  AuthorizationV1Api,
  BatchV1Api,
  CoreV1Api,
  createConfiguration,
  type KubernetesObject,
  NetworkingV1Api,
  Observable,
  type RequestContext,
  ResponseContext,
  ServerConfiguration,
} from '@kubernetes/client-node'
import { ObjectSerializer } from '@kubernetes/client-node/dist/serializer.js'
import type { Registry } from '../../../common/metrics.ts'
import { ApiError } from './api-error.ts'
import { type Call, type Connection, openConnection } from './connection.ts'
import { loadConfig } from './kubeconfig.ts'
import { MANAGER } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** The server ends a watch after this time, and the next one begins where it ended. */
const WATCH_SECONDS = 300
/** The API server sends a bookmark every minute, but none of events: one that is silent for longer is begun anew. */
const WATCH_IDLE_MS = 90_000
/** Functions may print for ever without a newline. */
const MAX_LOG_LINE = 65_536

export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  object: T
}

export interface LogLineOptions {
  follow: boolean
  signal: AbortSignal
  timestamps?: boolean
  tailLines?: number
  /** RFC 3339; counted in whole seconds. */
  sinceTime?: string
}

/**
 * Everything that is asked of Kubernetes, over connections that all calls share. Each call must be answered in
 * settings.requestSeconds; all reject with ApiError. Times are Dates in everything that comes back.
 */
export interface Api {
  core: CoreV1Api
  batch: BatchV1Api
  networking: NetworkingV1Api
  authentication: AuthenticationV1Api
  authorization: AuthorizationV1Api
  /** Makes the object as it is written; a field that Kubernetes does not know is refused, not dropped. */
  create<T extends KubernetesObject>(object: T): Promise<T>
  /**
   * Server-side apply by the field manager "rexec". Forced, unless told otherwise: what others have written into our
   * fields is put back; otherwise that is a conflict. With metadata.uid or resourceVersion as in patch().
   */
  apply<T extends KubernetesObject>(object: T, options?: { force: boolean }): Promise<T>
  /** Merge patch. With metadata.uid or resourceVersion in `change`, only of that very object (isConflict). */
  patch<T extends KubernetesObject>(object: T, change: object): Promise<T>
  /**
   * Deletes it; of a Job, what belongs to it goes first unless told otherwise. With metadata.uid only that very object.
   */
  remove(object: KubernetesObject, propagation?: 'Foreground' | 'Background'): Promise<void>
  /**
   * One watch request on a list's path: events until the server ends it (after minutes) or the signal aborts.
   * @param onOpen is called when the server has accepted it; the first event may be long in coming
   * @throws ApiError, isGone() when the resourceVersion of `query` is forgotten
   */
  watch<T extends KubernetesObject>(
    path: string,
    query: Record<string, string>,
    signal: AbortSignal,
    onOpen?: () => void,
  ): AsyncIterable<WatchEvent<T>>
  /** Lines of a container's log, until it ends or the signal aborts. */
  logLines(namespace: string, pod: string, container: string, options: LogLineOptions): AsyncIterable<string>
  close(): Promise<void>
}

/**
 * @param root before the path of the pod's service account, for tests
 * @throws SettingsError when the kubeconfig, or the service account of this pod, cannot be used
 */
export function connect(
  { kubeconfig, requestSeconds }: Pick<KubernetesSettings, 'kubeconfig' | 'requestSeconds'>,
  registry: Registry,
  root = '',
): Api {
  const connection = openConnection(() => loadConfig(kubeconfig, root), requestSeconds, registry)
  const configuration = createConfiguration({
    // An address that the client's own URL parser takes; the connection knows the real one.
    baseServer: new ServerConfiguration('http://kubernetes', {}),
    httpApi: { send: (request) => new Observable(answer(connection, request)) },
  })

  async function send<T>(call: Call): Promise<T> {
    return decode(JSON.parse((await connection.call(call)).text)) as T
  }

  return {
    core: new CoreV1Api(configuration),
    batch: new BatchV1Api(configuration),
    networking: new NetworkingV1Api(configuration),
    authentication: new AuthenticationV1Api(configuration),
    authorization: new AuthorizationV1Api(configuration),

    create: (object) =>
      send({
        method: 'POST',
        path: `${listPath(object)}?fieldManager=${MANAGER}&fieldValidation=Strict`,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(object),
      }),

    apply: (object, { force } = { force: true }) =>
      send({
        method: 'PATCH',
        verb: 'apply',
        path: `${pathOf(object)}?fieldManager=${MANAGER}&force=${force}&fieldValidation=Strict`,
        headers: { 'content-type': 'application/apply-patch+yaml' },
        body: JSON.stringify(object),
      }),

    patch: (object, change) =>
      send({
        method: 'PATCH',
        path: `${pathOf(object)}?fieldManager=${MANAGER}&fieldValidation=Strict`,
        headers: { 'content-type': 'application/merge-patch+json' },
        body: JSON.stringify(change),
      }),

    async remove(object, propagation = object.kind === 'Job' ? 'Foreground' : 'Background') {
      const { metadata } = object
      const uid = metadata?.uid
      await connection.call({
        method: 'DELETE',
        path: pathOf(object),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          propagationPolicy: propagation,
          ...(uid && { preconditions: { uid } }),
        }),
      })
    },

    async *watch<T extends KubernetesObject>(
      path: string,
      query: Record<string, string>,
      signal: AbortSignal,
      onOpen?: () => void,
    ) {
      const parameters = new URLSearchParams({
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: `${WATCH_SECONDS}`,
        ...query,
      })
      const options = { verb: 'watch', idleMs: WATCH_IDLE_MS, signal, onOpen }
      for await (const line of linesOf(connection.stream(`${path}?${parameters}`, options))) {
        const { type, object } = JSON.parse(line)
        if (type === 'ERROR') throw new ApiError(object.code, object)
        yield { type, object: decode(object) as T }
      }
    },

    async *logLines(namespace, pod, container, { signal, ...options }) {
      const query = new URLSearchParams({ container })
      for (const [name, value] of Object.entries(options)) {
        if (value !== undefined) query.set(name, `${value}`)
      }
      const path = `${pathOf({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: pod } })}/log?${query}`
      // A function may print nothing for hours.
      yield* linesOf(connection.stream(path, { verb: 'log', idleMs: 0, signal }), MAX_LOG_LINE)
    },

    close: () => connection.close(),
  }
}

/** The typed clients' requests, over our connections. */
async function answer(connection: Connection, request: RequestContext): Promise<ResponseContext> {
  const { pathname, search } = new URL(request.getUrl())
  const { status, headers, text } = await connection.call({
    method: request.getHttpMethod() as Call['method'],
    path: pathname + search,
    headers: request.getHeaders(),
    body: request.getBody() as string | undefined,
  })
  return new ResponseContext(status, headers, {
    text: async () => text,
    binary: async () => Buffer.from(text),
    stream: () => null,
  })
}

/** As the typed clients give it: times become Dates. */
function decode(object: { apiVersion?: string; kind?: string }): unknown {
  const { apiVersion = '', kind = '' } = object
  const version = apiVersion.split('/').at(-1)!
  const type = apiVersion === 'v1' && kind === 'Event' ? 'CoreV1Event' : `V${version.slice(1)}${kind}`
  return ObjectSerializer.deserialize(object, type)
}

function listPath({ apiVersion, kind, metadata }: KubernetesObject): string {
  const group = apiVersion!.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const plural = `${kind!.toLowerCase()}s`.replace(/ys$/, 'ies')
  const { namespace } = metadata!
  return namespace === undefined
    ? `${group}/${plural}`
    : `${group}/namespaces/${encodeURIComponent(namespace)}/${plural}`
}

function pathOf(object: KubernetesObject): string {
  return `${listPath(object)}/${encodeURIComponent(object.metadata!.name!)}`
}

/** @param limit of a line, in characters; a longer one comes in parts */
async function* linesOf(
  pieces: AsyncIterable<Uint8Array>,
  limit = Number.POSITIVE_INFINITY,
): AsyncIterable<string> {
  const decoder = new TextDecoder()
  let begun: string[] = []
  let length = 0
  for await (const piece of pieces) {
    const [first, ...rest] = decoder.decode(piece, { stream: true }).split('\n')
    begun.push(first!)
    length += first!.length
    for (const next of rest) {
      yield begun.join('')
      begun = [next]
      length = next.length
    }
    if (length < limit) continue
    yield begun.join('')
    begun = []
    length = 0
  }
  const last = begun.join('')
  if (last) yield last
}
