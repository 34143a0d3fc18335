import type { NodeCluster } from './node.ts'

/** A pod's container as tests of the cluster itself need it; more of it by `rest`. */
export function pod(name: string, container: object, rest: object = {}): { metadata: { name: string } } {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { name } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', imagePullPolicy: 'Never', ...container }],
      ...rest,
    },
  } as { metadata: { name: string } }
}

/** Runs a pod until it has succeeded or failed. @returns its status (of the API) and its log */
export async function runPod(cluster: NodeCluster, manifest: { metadata: { name: string } }) {
  const { name } = manifest.metadata
  await cluster.apply(manifest)
  const ended = (phase: string) =>
    cluster.kubectl('wait', `--for=jsonpath={.status.phase}=${phase}`, `pod/${name}`, '--timeout=120s')
  await Promise.any([ended('Succeeded'), ended('Failed')])
  const { status } = JSON.parse(await cluster.kubectl('get', 'pod', name, '--output=json'))
  // What was evicted may have none.
  const log = await cluster.kubectl('logs', name, '--all-containers').catch((error: Error) => error.message)
  return { status, log }
}

/** Starts a pod and waits until it is ready. @returns its address */
export async function startPod(
  cluster: NodeCluster,
  manifest: { metadata: { name: string } },
): Promise<string> {
  const { name } = manifest.metadata
  await cluster.apply(manifest)
  await cluster.kubectl('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=120s')
  return cluster.kubectl('get', 'pod', name, '--output=jsonpath={.status.podIP}')
}
