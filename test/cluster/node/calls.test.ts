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
  t.match(await alice.run('set_environment(PYTHON, "six==1.17.0")'), { status: 200 })
  const version = await alice.run(`
    def there():
        import six
        print("from the pod")
        return six.__version__
    remote_func(there)()`)
  t.equal(version, '1.17.0')
  t.match(alice.stdout.text, /from the pod/)
  t.match(alice.stderr.text, /Successfully installed .*six-1\.17\.0/, 'it was told of the installation')
})
