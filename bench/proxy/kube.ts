import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { type Answer, expectSuccess, type HttpClient, openHttp } from './load.ts'

/** The API server as the bench uses it: nothing of what is measured is in here. */
export interface Kube {
  http: HttpClient
  /** @throws Error for all but a 2xx */
  get<T>(path: string): Promise<T>
  create<T>(path: string, object: object): Promise<T>
  /** Sets a part of an object, or of its status (a path that ends in /status). */
  merge(path: string, part: object): Promise<void>
  /** Deletes all of a collection; `query` may select. */
  empty(path: string, query?: string): Promise<void>
}

interface Config {
  clusters: { cluster: Record<string, string> }[]
  users: { user: Record<string, string> }[]
}

/** Reads a kubeconfig of one cluster and one user with a client certificate, all within the file. */
async function readConfig(kubeconfig: string) {
  const config = parse(await readFile(kubeconfig, 'utf8')) as Config
  const { cluster } = config.clusters[0]!
  const { user } = config.users[0]!
  const pem = (section: Record<string, string>, name: string) =>
    Buffer.from(section[`${name}-data`]!, 'base64')
  const [ca, cert, key] = [
    pem(cluster, 'certificate-authority'),
    pem(user, 'client-certificate'),
    pem(user, 'client-key'),
  ]
  return { server: cluster.server!, ca, cert, key }
}

/**
 * The same in a kubeconfig that names files, in `folder`. It is the one for kbatch-proxy, which reads its kubeconfig
 * for every submit: a small one takes a millisecond, as little as what a pod finds in its place.
 */
export async function writeSmallKubeconfig(kubeconfig: string, folder: string): Promise<string> {
  const { server, ca, cert, key } = await readConfig(kubeconfig)
  const file = (name: string) => join(folder, name)
  for (const [name, pem] of Object.entries({ ca, cert, key }))
    await writeFile(file(name), pem, { mode: 0o600 })
  const user = { 'client-certificate': file('cert'), 'client-key': file('key') }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster: { server, 'certificate-authority': file('ca') } }],
    users: [{ name: 'bench', user }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  }
  await writeFile(file('kubeconfig'), JSON.stringify(config))
  return file('kubeconfig')
}

export async function openKube(kubeconfig: string): Promise<Kube> {
  const { server, ...tls } = await readConfig(kubeconfig)
  const http = openHttp(server, tls)
  const send = async (method: string, path: string, body?: object, type = 'application/json') => {
    const options = body && { headers: { 'content-type': type }, body: JSON.stringify(body) }
    const answer: Answer = await http.send(method, path, options)
    expectSuccess(`${method} ${path}`, answer)
    return JSON.parse(answer.text)
  }
  return {
    http,
    get: (path) => send('GET', path),
    create: (path, object) => send('POST', path, object),
    merge: (path, change) => send('PATCH', path, change, 'application/merge-patch+json'),
    empty: (path, query = '') =>
      send('DELETE', `${path}?propagationPolicy=Background&gracePeriodSeconds=0${query}`),
  }
}

/** Namespaces, jobs and all else that a list gives. */
export interface List<T> {
  items: T[]
  metadata: { remainingItemCount?: number }
}

export interface Named {
  metadata: { name: string; namespace?: string; uid?: string }
}
