import type { Admin } from './admin.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** They come and go, or are written again and again, without anybody's doing. */
const RESTLESS = new Set(['Event', 'Lease', 'ComponentStatus', 'PodMetrics', 'NodeMetrics'])

interface Discovery {
  items: {
    metadata: { name?: string }
    versions: {
      version: string
      resources: { resource: string; verbs: string[]; responseKind: { kind: string } }[]
    }[]
  }[]
}

interface Listed {
  metadata: {
    name: string
    namespace?: string
    uid?: string
    resourceVersion?: string
    managedFields?: unknown
  }
}

/**
 * Every object of every kind that can be listed, without its managed fields, as "kind/namespace/name" (the namespace is
 * empty for what has none). Two listings are equal when nothing was made, changed, removed or replaced in between.
 */
export async function listEverything(admin: Admin): Promise<Map<string, unknown>> {
  const paths = await listablePaths(admin)
  const lists = await Promise.all(
    paths.map(async ({ kind, path }) => ({
      kind,
      items: (await admin.json<{ items: Listed[] }>(path)).items,
    })),
  )
  const entries = lists.flatMap(({ kind, items }) =>
    items.map((object): [string, unknown] => {
      const { name, namespace = '', uid, resourceVersion, managedFields, ...metadata } = object.metadata
      return [`${kind}/${namespace}/${name}`, { uid, resourceVersion, object: { ...object, metadata } }]
    }),
  )
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Each kind once, in the version that the server prefers. */
async function listablePaths(admin: Admin): Promise<{ kind: string; path: string }[]> {
  const [core, named] = await Promise.all(
    ['/api', '/apis'].map((path) => admin.json<Discovery>(path, AGGREGATED)),
  )
  const groups = [
    ...core!.items.map((group) => ({ ...group, base: '/api' })),
    ...named!.items.map((group) => ({ ...group, base: `/apis/${group.metadata.name}` })),
  ]
  return groups.flatMap(({ base, versions }) => {
    const seen = new Set<string>()
    return versions.flatMap(({ version, resources }) =>
      resources
        .filter(({ verbs, responseKind }) => verbs.includes('list') && !RESTLESS.has(responseKind.kind))
        .filter(({ resource }) => !seen.has(resource) && seen.add(resource))
        .map(({ resource, responseKind }) => ({
          kind: responseKind.kind,
          path: `${base}/${version}/${resource}`,
        })),
    )
  })
}
