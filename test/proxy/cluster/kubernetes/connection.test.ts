import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { KubeConfig } from '@kubernetes/client-node'
import t from 'tap'
import { Registry } from '../../../../common/metrics.ts'
import { openConnection } from '../../../../proxy/cluster/kubernetes/connection.ts'
import { collect } from '../../../support/local-cluster.ts'

t.test('a stream in which nothing happens ends without an error', async (t) => {
  const server = createServer((_, response) => response.writeHead(200).write('said')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const config = new KubeConfig()
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' })
  const connection = openConnection(() => config, 5, new Registry())
  t.teardown(async () => {
    await connection.close()
    server.closeAllConnections()
    server.close()
  })
  const options = { verb: 'watch', idleMs: 500, signal: AbortSignal.timeout(20_000) }
  const pieces = await collect(connection.stream('/api/v1/events', options))
  t.equal(Buffer.concat(pieces).toString(), 'said')
})
