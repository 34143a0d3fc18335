import type { Test } from 'tap'
import { type ApiServer, apiServerMissing, given, startApiServer } from '../cluster/api-server.ts'
import { untilSettled } from '../cluster/namespace.ts'
import { chartDefinitions, helmMissing } from '../cluster/tools.ts'

/** Why the chart cannot be tried on a real API server here; undefined when it can. */
export async function clusterMissing(): Promise<string | undefined> {
  if (given) return 'objects of the whole cluster are made: not in somebody’s own'
  return (await apiServerMissing()) ?? (await helmMissing())
}

/** An API server that knows HTTPRoutes, ServiceMonitors and PrometheusRules, with namespaces that PSA restricts. */
export async function startCluster(t: Test, namespaces: string[]): Promise<ApiServer> {
  const server = await startApiServer(t)
  await server.kubectl('apply', '--server-side', '-f', await chartDefinitions((line) => t.comment(line)))
  await server.kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=120s')
  // Their storage comes a moment later; kubectl asks again until it is there.
  await server.kubectl('get', '--all-namespaces', 'httproutes,servicemonitors,prometheusrules')
  const levels = ['enforce', 'warn'].map((mode) => [`pod-security.kubernetes.io/${mode}`, 'restricted'])
  await server.apply(
    namespaces.map((name) => ({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: Object.fromEntries(levels) },
    })),
  )
  await untilSettled(server, ...namespaces)
  return server
}
