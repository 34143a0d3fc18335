import { once } from 'node:events'
import { createServer } from 'node:net'
import type { V1Job } from '@kubernetes/client-node'
import t from 'tap'
import { Registry } from '../../../common/metrics.ts'
import { connect } from '../../../proxy/cluster/kubernetes/api.ts'
import { client, findClient } from '../../support/clients.ts'
import { startKubernetesService } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip } = await findClient(client)
const missing = await nodeClusterMissing()
const ROUNDS = 2

t.test(
  'from the request to the first result, beside a bare Job',
  { skip: skip || missing || false },
  async (t) => {
    const cluster = await startNodeCluster(t)
    const service = await startKubernetesService(t, cluster)
    const alice = openNotebook(t, python, service.as('alice'), client)
    const [version, image] = Object.entries(cluster.images.pythons)[0]!
    const api = connect({ kubeconfig: cluster.kubeconfig, requestSeconds: 10 }, new Registry())
    t.teardown(() => api.close())
    const listener = createServer((socket) => socket.resume().on('error', () => undefined))
    listener.listen(0, cluster.hostAddress)
    await once(listener, 'listening')
    t.teardown(() => listener.close())
    const { port } = listener.address() as { port: number }

    /** A Job as small as can be: its Python connects to the test. */
    async function bareJob(name: string): Promise<number> {
      const code = `import socket; socket.create_connection(("${cluster.hostAddress}", ${port}))`
      const limits = { cpu: '500m', memory: '256Mi' }
      const main = { name: 'main', image, command: ['python3', '-c', code], resources: { limits } }
      const job: V1Job = {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name, namespace: 'default' },
        spec: { template: { spec: { restartPolicy: 'Never', containers: [main] } } },
      }
      const connected = once(listener, 'connection')
      const since = performance.now()
      await api.create(job)
      await connected
      return performance.now() - since
    }

    async function server(name: string): Promise<number> {
      const since = performance.now()
      const json = { name, python: version }
      const { token } = await service.api<{ token: string }>('alice', '/servers', { method: 'POST', json })
      await alice.run(`call = remote_func(lambda: 42); call.exec_token = ${JSON.stringify(token)}`)
      t.equal(await alice.run('call()'), 42)
      const time = performance.now() - since
      await service.api('alice', `/servers/${name}`, { method: 'DELETE' })
      return time
    }

    for (let round = 0; round < ROUNDS; round += 1) {
      const [bare, ours] = [await bareJob(`bare-${round}`), await server(`spawn-${round}`)]
      t.comment(
        `bare Job ${bare.toFixed(0)} ms, server ${ours.toFixed(0)} ms, difference ${(ours - bare).toFixed(0)} ms`,
      )
    }
  },
)
