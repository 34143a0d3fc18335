import type { Test } from 'tap'
import { GivenApiServer } from './given-api-server.ts'
import { runProgram } from './images/program.ts'
import { OwnApiServer } from './own-api-server.ts'
import { kubernetesTools, toolsMissing } from './tools.ts'

/** Whom a kubeconfig shall be for. */
export type Subject = { serviceAccount: string; namespace: string } | { user: string; groups?: string[] }

/** Path of the kubeconfig of somebody's own cluster, which is used instead of one that a test starts. */
export const given = process.env.REXEC_TEST_KUBECONFIG

/** A real API server with etcd and controller manager (docs/developer/cluster.md). Its methods can be passed on. */
export interface ApiServer {
  /** Somebody's own: it cannot be stopped, and others use it too. */
  readonly given: boolean
  /** https://127.0.0.1:PORT */
  readonly url: string
  /** Path; cluster admin (system:masters). */
  readonly kubeconfig: string
  /** What lies in it is removed at the end. */
  readonly folder: string
  /** As admin. @returns stdout @throws Error with stderr */
  kubectl(...args: string[]): Promise<string>
  /** Server-side apply as admin. */
  apply(manifest: object | object[]): Promise<void>
  /** Path of a kubeconfig with a service account's token, or with a client certificate of any user and groups. */
  kubeconfigFor(subject: Subject): Promise<string>
  /**
   * Every object of every kind that can be listed, as "kind/namespace/name" -> uid, resourceVersion and the object, for
   * "nothing has changed". Kinds that change by themselves (events, leases) are left out.
   */
  listing(): Promise<Map<string, unknown>>
  /** Ends kube-apiserver alone, at once; etcd and controller manager stay. @throws Error for a given one */
  stopApi(): Promise<void>
  /** Starts it on the same port, and resolves when it is ready. */
  startApi(): Promise<void>
  stop(): Promise<void>
}

/** A test's own API server, ended and removed at its end, in about three seconds; or the one that was given. */
export async function startApiServer(t: Test): Promise<ApiServer> {
  if (given) {
    const server = await GivenApiServer.connect(given)
    t.teardown(server.stop)
    return server
  }
  const start = performance.now()
  const server = await OwnApiServer.start(await kubernetesTools((line) => t.comment(line)))
  t.teardown(server.stop)
  t.comment(`the API server was ready after ${((performance.now() - start) / 1000).toFixed(1)} s`)
  return server
}

/**
 * Why no API server can be had here, with what to do; undefined when one can. The tools are built for that if need be.
 * @param say is told what is going on
 */
export async function apiServerMissing(say?: (line: string) => void): Promise<string | undefined> {
  if (given) {
    return GivenApiServer.check(given).then(
      () => undefined,
      (error: Error) => `REXEC_TEST_KUBECONFIG is of no use: ${error.message}`,
    )
  }
  return ownApiServerMissing(say)
}

/** The same for one that is started here, also where another one was given. */
export async function ownApiServerMissing(say?: (line: string) => void): Promise<string | undefined> {
  const missing = (await toolsMissing()) ?? (await programsMissing())
  if (missing) return missing
  return kubernetesTools(say).then(
    () => undefined,
    (error: Error) => `Kubernetes could not be built: ${error.message}`,
  )
}

async function programsMissing(): Promise<string | undefined> {
  const versions = [runProgram('openssl', ['version']), runProgram('setpriv', ['--version'])]
  return Promise.all(versions).then(
    () => undefined,
    () => 'an API server needs: apt-get install openssl util-linux',
  )
}
