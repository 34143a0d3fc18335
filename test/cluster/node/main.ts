import { nodeClusterMissing } from './missing.ts'
import { prepareNodeCluster, startNodeCluster } from './node.ts'

/** `npm run cluster`: a cluster of one node to play with, until Ctrl-C. */
const say = (line: string) => process.stdout.write(`${line}\n`)
const missing = await nodeClusterMissing()
if (missing) {
  process.stderr.write(`${missing}\n`)
  process.exit(1)
}
const interrupted = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, resolve)
})
await prepareNodeCluster({}, say)
const start = Date.now()
const cluster = await startNodeCluster({ teardown: () => undefined })
say(`A Kubernetes of one node, ready after ${((Date.now() - start) / 1000).toFixed(1)} s:

  export KUBECONFIG=${cluster.kubeconfig}

  host's address for pods   ${cluster.hostAddress}
  node's address            ${cluster.nodeAddress} (NodePorts)
  images                    ${[cluster.images.agent, ...Object.values(cluster.images.pythons)].join(', ')}
  package index             ${cluster.indexUrl}
  logs                      ${cluster.logs}

Pods must have imagePullPolicy: Never. Ctrl-C ends it, and nothing of it is left.`)
await interrupted
await cluster.stop()
