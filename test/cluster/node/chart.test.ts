import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { openHelm } from '../../helm/helm.ts'
import { startKernel } from '../../hub/kernel.ts'
import { spawnNotebookServer } from '../../hub/notebook-server.ts'
import { runQuickstart } from '../../hub/quickstart.ts'
import { CHART } from '../../support/chart.ts'
import { client, findClient } from '../../support/clients.ts'
import { smallProfile } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { given } from '../api-server.ts'
import { helmMissing } from '../tools.ts'
import { hubImage, installHub, QUICKSTART_PACKAGES } from './hub/hub.ts'
import { documentedValues } from './hub/values.ts'
import { type NodeCluster, nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip: noClient } = await findClient(client)
const images = given && 'the hub of this test is not on a cluster of your own'
const skip = noClient || (await nodeClusterMissing()) || images || (await helmMissing()) || false
const BROKER_PORT = 30559

t.test('rexec installed by its chart, for a JupyterHub in another namespace', { skip }, async (t) => {
  const cluster = await startNodeCluster(t, { packages: QUICKSTART_PACKAGES, images: [await hubImage()] })
  const { kubectl } = cluster
  const helm = await openHelm(t, 3, cluster.kubeconfig)
  const values = chartValues(cluster)
  const install = (command: string, ...args: string[]) =>
    helm.run([command, 'rexec', CHART, '--namespace=rexec', ...args], values)
  const rolledOut = async () => {
    for (const part of ['deployment/rexec-proxy', 'statefulset/rexec-broker']) {
      await kubectl('-n=rexec', 'rollout', 'status', part, '--timeout=180s')
    }
  }

  t.match(await install('install', '--create-namespace'), /STATUS: deployed/)
  const made = '--output=go-template={{.data.token | base64decode}}'
  const hub = await installHub(
    cluster,
    await documentedValues({
      'rexec-proxy.jhub': 'rexec-proxy.rexec',
      'https://hub.example.org': 'http://proxy-public',
      '…': await kubectl('-n=rexec', 'get', 'secret', 'rexec-hub-token', made),
    }),
  )
  await rolledOut()
  const url = `${hub.url}services/rexec`
  const alice = await hub.token('alice')
  const ask = (path: string, token = alice) =>
    fetch(url + path, { headers: { authorization: `Bearer ${token}` } })
  const namespaces = async () =>
    (await kubectl('get', 'namespaces', '--selector=app.kubernetes.io/managed-by=rexec', '--output=name'))
      .split('\n')
      .filter(Boolean)

  await kubectl('-n=rexec', 'create', 'secret', 'generic', 'test-token', `--from-literal=token=${alice}`)
  // All at once, since each waits most of its time.
  const [doctor, test, notebook] = await Promise.all([
    kubectl('-n=rexec', 'exec', 'deployment/rexec-proxy', '--', 'rexec', 'doctor'),
    helm.run(['test', 'rexec', '--namespace=rexec', '--logs', '--timeout=120s']),
    spawnNotebookServer(hub, 'alice'),
  ])
  t.match(doctor, /\b0 wrong/, 'rexec doctor finds nothing wrong')
  t.match(test, /Python has computed the right answer/, 'helm test has made a call')

  await t.test('a notebook pod calls a server pod in the namespace of its user', async (t) => {
    await runQuickstart(t, await startKernel(t, notebook))
    t.equal((await namespaces()).length, 1)
  })

  await t.test('a user without the scope reads why not, and gets nothing', async (t) => {
    const answer = await ask('/broker-config', await hub.token('bob'))
    t.match([answer.status, await answer.json()], [403, { code: 'scope_missing' }])
    t.equal((await namespaces()).length, 1)
  })

  const { external } = (await (await ask('/api/v1/broker')).json()) as { external: { address: string } }
  t.equal(external.address, `tcp://${cluster.nodeAddress}:${BROKER_PORT}`)
  const outside = openNotebook(t, python, { url, broker: { client: external.address }, token: alice })
  await outside.run('set_environment(PYTHON)')
  await outside.run('double = remote_func(lambda number: number * 2)')
  t.equal(await outside.run('double(21)'), 42, 'the unmodified client calls from outside the cluster')

  await t.test('a broker that is added finds the servers that run already', async (t) => {
    const before = await pods(cluster)
    await install('upgrade', '--set=broker.replicas=3')
    await rolledOut()
    const after = await pods(cluster)
    t.same(
      before.uids.filter((uid) => !after.uids.includes(uid)),
      [],
      'nothing else is replaced',
    )
    const address = '--output=jsonpath={.status.podIP}'
    const host = await kubectl('-n=rexec', 'get', 'pod', 'rexec-broker-2', address)
    const there = { url, broker: { client: `tcp://${host}:5559` }, token: alice }
    const notebook = openNotebook(t, python, there)
    await notebook.run('remote_func.set_exec_token(GIVEN["token"])')
    t.equal(await notebook.run('remote_func(lambda: 42)()'), 42)
  })

  /**
   * Changes the release while calls and requests go on, of which none may fail. There are pauses between them, since
   * without these they would have the processors that the change needs.
   */
  const underUse = async (name: string, change: () => Promise<unknown>) => {
    const end = join(t.testdirName, name)
    const calls = outside.run<number[]>(`
      import os, time
      results = []
      while not os.path.exists(${JSON.stringify(end)}):
          results.append(double(len(results)))
          time.sleep(0.05)
      results`)
    let changing = true
    let answered = 0
    const refusals: string[] = []
    const requests = (async () => {
      for (; changing; answered += 1) {
        const answer = await ask('/api/v1/servers')
        const text = await answer.text()
        if (!answer.ok) refusals.push(`${answer.status} ${text}`)
        await sleep(20)
      }
    })()
    const before = await pods(cluster)
    await change()
    await rolledOut()
    const proxies = before.names.filter((name) => /proxy/.test(name))
    await kubectl('-n=rexec', 'wait', '--for=delete', '--timeout=120s', ...proxies)
    changing = false
    await writeFile(end, '')
    const results = await calls
    await requests
    const after = await pods(cluster)
    return {
      results,
      answered,
      refusals,
      replaced: after.uids.filter((uid) => !before.uids.includes(uid)).length,
    }
  }
  t.testdir({})

  for (const [name, change] of [
    [
      'an upgrade',
      () =>
        install(
          'upgrade',
          '--set-json=proxy.podAnnotations={"a":"b"}',
          '--set-json=broker.podAnnotations={"a":"b"}',
        ),
    ],
    ['a rollback', () => helm.run(['rollback', 'rexec', '1', '--namespace=rexec'])],
  ] as const) {
    await t.test(`${name} that replaces all pods loses no call and no request`, async (t) => {
      const { results, answered, refusals, replaced } = await underUse(name.replace(' ', '-'), change)
      t.equal(replaced, 4)
      t.same(
        results,
        Array.from(results, (_, index) => index * 2),
      )
      t.same(refusals, [])
      t.ok(results.length > 0 && answered > 0, 'there were some')
      t.comment(`${results.length} calls, ${answered} requests`)
    })
  }

  await t.test('the servers of a user whom the hub has deleted are stopped', async (t) => {
    const [namespace] = await namespaces()
    const jobs = ['-n', namespace!.replace('namespace/', ''), 'jobs', '--all'] as const
    t.match(await kubectl('get', ...jobs.slice(0, 3)), /default/)
    await hub.admin('/users/alice', { method: 'DELETE' })
    await kubectl('wait', '--for=delete', ...jobs, '--timeout=120s')
    t.equal((await namespaces()).length, 1, 'the namespace stays')
  })

  await t.test(
    'uninstall leaves the namespaces of users, what the admin made, and nothing else',
    async (t) => {
      await helm.run(['uninstall', 'rexec', '--namespace=rexec'])
      await kubectl('-n=rexec', 'wait', '--for=delete', 'pods', PODS, '--timeout=120s')
      // What others have made for these objects goes after them.
      const theirs = 'replicasets,controllerrevisions,endpoints,endpointslices'
      await kubectl('-n=rexec', 'wait', '--for=delete', theirs, '--all', '--timeout=120s')
      t.equal((await namespaces()).length, 1)
      const listed = async (namespaced: boolean, ...args: string[]) => {
        const kinds = await kubectl(
          'api-resources',
          '--verbs=list',
          `--namespaced=${namespaced}`,
          '--output=name',
        )
        const lasting = kinds.split('\n').filter((kind) => kind && !/^events|cilium/.test(kind))
        return (await kubectl('get', `${lasting}`, '--output=name', ...args)).trim().split('\n').sort()
      }
      t.same(
        (await listed(false)).filter((name) => name.includes('rexec')),
        ['namespace/rexec', ...(await namespaces())],
      )
      t.same(await listed(true, '--namespace=rexec'), [
        'configmap/kube-root-ca.crt',
        'pod/rexec-test-call',
        'pod/rexec-test-ready',
        'secret/test-token',
        'serviceaccount/default',
      ])
    },
  )
})

const PODS = '--selector=app.kubernetes.io/component in (proxy, broker)'

/** Of proxy and broker. */
async function pods({ kubectl }: NodeCluster): Promise<{ names: string[]; uids: string[] }> {
  const list = async (output: string) =>
    (await kubectl('-n=rexec', 'get', 'pods', PODS, output)).trim().split(/\s+/)
  return {
    names: await list('--output=name'),
    uids: await list('--output=jsonpath={.items[*].metadata.uid}'),
  }
}

/** What docs/admin/install.md asks for, and below it what only this cluster needs. */
function chartValues(cluster: NodeCluster): object {
  const { hostname, port } = new URL(cluster.indexUrl)
  const [repository, tag] = cluster.images.agent.split(/:(?=[^:]*$)/)
  const small = { requests: { cpu: '10m', memory: '64Mi' } }
  return {
    image: { repository, tag },
    hub: { apiUrl: 'http://hub.jhub:8081/hub/api' },
    broker: {
      service: { type: 'NodePort', nodePort: BROKER_PORT },
      externalAddress: `tcp://${cluster.nodeAddress}:${BROKER_PORT}`,
      resources: small,
    },
    tests: { existingSecret: { name: 'test-token' } },
    proxy: {
      resources: small,
      config: {
        identity: { jupyterhub: { usersSeconds: 10 } },
        securityModel: { profiles: [smallProfile(cluster)] },
        cluster: {
          kubernetes: {
            reconcileSeconds: 1,
            namespaces: { vanishedSeconds: 0 },
            packageIndex: { url: cluster.indexUrl, trustedHosts: [hostname] },
            network: {
              egress: [
                {
                  to: [{ ipBlock: { cidr: `${hostname}/32` } }],
                  ports: [{ protocol: 'TCP', port: Number(port) }],
                },
              ],
            },
          },
        },
      },
    },
  }
}
