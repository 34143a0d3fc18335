import t from 'tap'
import { client, findClient } from '../../support/clients.ts'
import { startKubernetesService } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip } = await findClient(client)
const missing = await nodeClusterMissing()

t.test('the unmodified client calls a server in a pod', { skip: skip || missing || false }, async (t) => {
  const cluster = await startNodeCluster(t)
  const service = await startKubernetesService(t, cluster)
  const alice = openNotebook(t, python, service.as('alice'), client)
  const began = performance.now()
  t.match(await alice.run('set_environment(PYTHON, "six==1.17.0")'), { status: 200 })
  const value = await alice
    .run<string>(`
    def there():
        import six, socket
        print("from the pod")
        return six.__version__
    remote_func(there)()`)
    .catch((error: Error) => error.message)
  t.comment(`first result after ${Math.round(performance.now() - began)} ms`)
  t.equal(value, '1.17.0')
  t.match(alice.stdout.text, /from the pod/)
  t.comment(alice.stderr.text)
  t.comment(JSON.stringify(await service.api('alice', '/servers')))
  t.comment(await cluster.kubectl('get', 'jobs,pods,events,secrets,networkpolicies', '-A'))
  t.comment(service.log())
})
