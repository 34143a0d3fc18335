import type { Kube } from './kube.ts'

export const NODE = 'fake-node'
/** A node that says nothing for 40 seconds counts as lost, and its pods are deleted. */
const LEASE_MS = 10_000
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'

/** A node that is an object only, and says that it is well: pods that are said to run must be somewhere. */
export async function addFakeNode(kube: Kube): Promise<{ close(): void }> {
  const renewTime = () => new Date().toISOString().replace('Z', '000Z') // MicroTime
  await kube.create('/api/v1/nodes', { metadata: { name: NODE } })
  const lastHeartbeatTime = new Date().toISOString()
  const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime }
  await kube.merge(`/api/v1/nodes/${NODE}/status`, { status: { conditions: [ready] } })
  const lease = { holderIdentity: NODE, leaseDurationSeconds: 40 }
  await kube.create(LEASES, { metadata: { name: NODE }, spec: { ...lease, renewTime: renewTime() } })
  const timer = setInterval(() => {
    // A late answer at the end of the bench is nobody's business; a node that is lost shows in the pods.
    kube.merge(`${LEASES}/${NODE}`, { spec: { renewTime: renewTime() } }).catch(() => {})
  }, LEASE_MS)
  return { close: () => clearInterval(timer) }
}
