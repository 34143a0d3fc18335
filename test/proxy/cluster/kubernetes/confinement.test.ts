import t from 'tap'
import { isConfined, warnUnlessConfined } from '../../../../proxy/cluster/kubernetes/confinement.ts'
import { apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { proxyRights } from '../../../support/chart.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { keptLog } from '../../../support/log.ts'

const skip = (await apiServerMissing()) ?? false

t.test('an account that nobody confines is warned of', { skip }, async (t) => {
  const server = await startApiServer(t)
  await server.kubectl('create', 'namespace', 'rexec')
  await server.apply(await proxyRights('account'))
  const kubeconfig = await server.kubeconfigFor({ namespace: 'rexec', serviceAccount: 'rexec-proxy' })
  const account = testApi(t, kubeconfig)
  const log = keptLog()
  t.equal(await isConfined(account), true, 'without rights')

  await server.apply(await proxyRights('cluster'))
  while (await isConfined(account));
  t.equal(await isConfined(account), false, 'with the role alone')
  await warnUnlessConfined(account, log.logger)
  t.match(log.lines, [{ level: 'warn', msg: /admission policies of the chart/ }])

  await server.apply(await proxyRights('policies'))
  while (!(await isConfined(account)));
  t.equal(await isConfined(account), true, 'with the policies')
  await warnUnlessConfined(account, log.logger)
  t.equal(log.lines.length, 1)
  t.notMatch(
    await server.kubectl('get', 'namespaces', '-o', 'name'),
    'rexec-is-not-confined',
    'nothing was made',
  )

  await server.stopApi()
  t.equal(await isConfined(account), undefined, 'nobody can tell')
})
