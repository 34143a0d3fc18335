import { setTimeout as pause } from 'node:timers/promises'
import { OWNER } from '../../proxy/cluster/kubernetes/names.ts'
import type { Kube, List, Named } from './kube.ts'
import { inFlight } from './load.ts'

/** Milliseconds between two looks whether all is gone. */
const LOOK_AGAIN = 50
/** What a submit makes, with what is not of a submit. */
const MADE: [path: (namespace: string) => string, query: string][] = [
  [(namespace) => `/apis/batch/v1/namespaces/${namespace}/jobs`, ''],
  [(namespace) => `/api/v1/namespaces/${namespace}/pods`, ''],
  [(namespace) => `/api/v1/namespaces/${namespace}/secrets`, ''],
  [
    (namespace) => `/api/v1/namespaces/${namespace}/configmaps`,
    '&fieldSelector=metadata.name!%3Dkube-root-ca.crt',
  ],
]

interface Namespaces {
  rexec: string[]
  kbatch: string[]
}

interface NamespaceObject {
  metadata: { name: string; annotations?: Record<string, string> }
}

/** Those that the two services have made for these users. */
export async function userNamespaces(kube: Kube, users: string[]): Promise<Namespaces> {
  const { items } = await kube.get<List<NamespaceObject>>('/api/v1/namespaces')
  const rexec = items.filter(({ metadata }) => users.includes(metadata.annotations?.[OWNER] ?? ''))
  const kbatch = items.filter(({ metadata }) => users.includes(metadata.name))
  for (const found of [rexec, kbatch]) {
    if (found.length !== users.length)
      throw new Error(`${found.length} of ${users.length} namespaces are there.`)
  }
  const names = (found: NamespaceObject[]) => found.map(({ metadata }) => metadata.name)
  return { rexec: names(rexec), kbatch: names(kbatch) }
}

/** Deletes what submits have made and waits until all of it is gone, so that every round finds the same cluster. */
export async function tidy(kube: Kube, namespaces: string[]): Promise<void> {
  for (const [path, query] of MADE) {
    await inFlight(8, namespaces.length, (index) => kube.empty(path(namespaces[index]!), query))
  }
  for (const all of ['/apis/batch/v1/jobs', '/api/v1/pods']) {
    while ((await kube.get<List<Named>>(`${all}?limit=1`)).items.length > 0) await pause(LOOK_AGAIN)
  }
}
