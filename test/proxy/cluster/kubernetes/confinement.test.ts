import t from 'tap'
import { createAssertConfined, isConfined } from '../../../../proxy/cluster/kubernetes/confinement.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights } from '../../../support/chart.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { keptLog } from '../../../support/log.ts'

const skip = (await apiServerMissing()) ?? false

t.test('an account that nobody confines is not worked with', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.apply(await proxyRights('account'))
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  const account = testApi(t, kubeconfig)
  const log = keptLog()
  /** What a proxy that starts now finds. */
  const starting = (given: object = {}) =>
    createAssertConfined(account, kubernetesSettings(given), log.logger)
  const open = { code: 'cluster_unavailable', cause: { message: /admission policies of the chart/ } }
  t.equal(await isConfined(account), true, 'without rights')
  await starting()()

  await server.apply(await proxyRights('cluster'))
  while (await isConfined(account));
  t.equal(await isConfined(account), false, 'with the role alone')
  const assertConfined = starting()
  await t.rejects(assertConfined(), open, 'fails closed')
  await t.rejects(Promise.all([assertConfined(), assertConfined()]), open)
  t.match(log.lines, [{ level: 'error', msg: /admission policies of the chart/ }], 'said once')
  await starting({ requireConfinement: false })()
  t.match(log.lines[1], { level: 'warn', msg: /admission policies of the chart/ }, 'or warned of')
  await starting({ namespaces: { mode: 'given', given: { alice: 'team-alice' } } })()

  const [ofNamespaces, ...others] = await policies()
  await server.apply(ofNamespaces!)
  while (!(await refuses('namespace', 'foreign')));
  t.equal(await isConfined(account), false, 'one of the policies is not enough')
  await server.apply(others.flat())
  while (!(await isConfined(account)));
  await assertConfined()
  t.equal(log.lines.length, 2)
  t.notMatch(
    await server.kubectl('get', 'namespaces,secrets', '-A', '-o', 'name'),
    'rexec-is-not',
    'no trace',
  )

  await server.stopApi()
  t.equal(await isConfined(account), undefined, 'nobody can tell')
  await assertConfined()
  await t.rejects(starting()(), { code: 'cluster_unavailable', cause: { message: /not be found out/ } })

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
