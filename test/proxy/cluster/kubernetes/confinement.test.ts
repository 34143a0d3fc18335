import t from 'tap'
import {
  createConfinement,
  isConfined,
  isConfinedWithin,
} from '../../../../proxy/cluster/kubernetes/confinement.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights } from '../../../support/chart.ts'
import { kubernetesSettings, namespaceOf } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { keptLog } from '../../../support/log.ts'

const skip = (await apiServerMissing()) ?? false

const OF_ALICE = namespaceOf('alice', 'rexec-alice')

t.test('an account that nobody confines is not worked with', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.apply(await proxyRights('account'))
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  const account = testApi(t, kubeconfig)
  const log = keptLog()
  /** What a proxy that starts now finds. */
  const starting = (given: object = {}) => createConfinement(account, kubernetesSettings(given), log.logger)
  const open = { code: 'cluster_unavailable', cause: { message: /admission policies of the chart/ } }
  t.equal(await isConfined(account), true, 'without rights')
  await starting().assert()

  await server.apply(await proxyRights('cluster'))
  while (await isConfined(account));
  t.equal(await isConfined(account), false, 'with the role alone')
  const confinement = starting()
  await t.rejects(confinement.assert(), open, 'fails closed')
  await t.rejects(Promise.all([confinement.assert(), confinement.assert()]), open)
  t.match(log.lines, [{ level: 'error', msg: /admission policies of the chart/ }], 'said once')
  await starting({ requireConfinement: false }).assert()
  t.match(log.lines[1], { level: 'warn', msg: /admission policies of the chart/ }, 'or warned of')
  await starting({ namespaces: { mode: 'given', given: { alice: 'team-alice' } } }).assert()

  const [ofNamespaces, ofObjects, ofJobs] = await policies()
  await server.apply(ofNamespaces!)
  while (!(await refuses('namespace', 'foreign')));
  t.equal(await isConfined(account), false, 'one of the policies is not enough')
  await server.apply(ofObjects!)
  while (!(await isConfined(account)));
  await confinement.assert()

  await server.apply(OF_ALICE)
  const namespace = OF_ALICE.metadata.name
  await t.rejects(
    confinement.assertWithin(namespace),
    { cause: { message: /Jobs of any shape/ } },
    'nor are two',
  )
  await server.apply(ofJobs!)
  while (!(await isConfinedWithin(account, namespace, 'rexec')));
  await confinement.assertWithin(namespace)
  t.equal(log.lines.length, 3)
  const made = await server.kubectl('get', 'namespaces,secrets,jobs', '-A', '-o', 'name')
  t.notMatch(made, 'rexec-is-not', 'nothing was made')

  await server.stopApi()
  t.equal(await isConfined(account), undefined, 'nobody can tell')
  await confinement.assert()
  await t.rejects(starting().assert(), {
    code: 'cluster_unavailable',
    cause: { message: /not be found out: Kubernetes did not answer/ },
  })

  /** Each policy with its binding. */
  async function policies() {
    const objects = await proxyRights('policies')
    return Map.groupBy(objects, ({ metadata }) => metadata!.name!).values()
  }

  function refuses(kind: string, name: string): Promise<boolean> {
    return server
      .kubectl('create', kind, name, '--dry-run=server', '--as=system:serviceaccount:rexec:rexec-proxy')
      .then(
        () => false,
        (error: Error) => error.message.includes('denied request'),
      )
  }
})
