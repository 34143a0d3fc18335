import t from 'tap'
import { openHelm } from '../../helm/helm.ts'
import { CHART } from '../../support/chart.ts'
import { smallProfile } from '../../support/kubernetes-service.ts'
import { IMAGES } from '../images/images.ts'
import { helmMissing } from '../tools.ts'
import { type NodeCluster, nodeClusterMissing, startNodeCluster } from './node.ts'
import { pod, runPod } from './pods.ts'

const skip = (await nodeClusterMissing()) || (await helmMissing()) || false

t.test('a release without a hub, behind its locks', { skip }, async (t) => {
  const cluster = await startNodeCluster(t)
  const { kubectl } = cluster
  const helm = await openHelm(t, 4, cluster.kubeconfig)
  // Nothing of the chart may need more than the strictest standard allows.
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'rexec', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  })

  await t.test('an install waits for images on the nodes, and then for the pods', async (t) => {
    const args = ['install', 'rexec', CHART, '--namespace=rexec', '--wait', '--timeout=200s']
    await helm.run(args, values(cluster))
    const kinds = 'daemonset,job,serviceaccount,role'
    const left = await kubectl('get', kinds, '-n=rexec', '-l=app.kubernetes.io/name=rexec', '-o=name')
    t.same(left.trim().split('\n').sort(), [
      'daemonset.apps/rexec-prepuller-small',
      'serviceaccount/rexec-proxy',
      'serviceaccount/rexec-test',
    ])
  })

  await t.test('helm test makes a call as a service account', async (t) => {
    const said = await helm.run(['test', 'rexec', '--namespace=rexec', '--logs', '--timeout=120s'])
    t.match(said, /Python has computed the right answer/)
  })

  await t.test('a pod of another namespace reaches the port for clients alone', async (t) => {
    const [proxy, broker] = [await addressOf(cluster, 'proxy'), await addressOf(cluster, 'broker')]
    const doors = [`${broker}/5559`, `${broker}/5560`, `${broker}/9559`, `${proxy}/10101`, `${proxy}/10102`]
    const tries = doors.map((door) => `(timeout 3 bash -c '< /dev/tcp/${door}' && echo open ${door}) &`)
    const stranger = { image: IMAGES.debian, command: ['bash', '-c', `${tries.join(' ')} wait`] }
    const { log } = await runPod(cluster, pod('stranger', stranger))
    t.same(log.match(/^open .*$/gm), [`open ${broker}/5559`])
  })
})

/** Users are service accounts of rexec's own namespace. */
function values(cluster: NodeCluster): object {
  const { images, hostAddress, indexUrl, url } = cluster
  const [repository, tag] = images.agent.split(/:(?=[^:]*$)/)
  const { hostname, port } = new URL(indexUrl)
  const small = { requests: { cpu: '10m', memory: '64Mi' } }
  const index = {
    to: [{ ipBlock: { cidr: `${hostAddress}/32` } }],
    ports: [{ protocol: 'TCP', port: Number(port) }],
  }
  return {
    image: { repository, tag },
    rbac: { tokenReview: true },
    prePuller: { hook: { enabled: true }, continuous: { enabled: true }, pause: { image: IMAGES.pause } },
    broker: { resources: small },
    proxy: {
      resources: small,
      networkPolicy: { apiServerPorts: [Number(new URL(url).port)] },
      config: {
        identity: { authenticators: ['kubernetes'] },
        securityModel: {
          access: { allowGroups: ['system:serviceaccounts:rexec'] },
          profiles: [smallProfile(cluster)],
        },
        cluster: {
          kubernetes: {
            packageIndex: { url: indexUrl, trustedHosts: [hostname] },
            network: { egress: [index] },
          },
        },
      },
    },
  }
}

function addressOf({ kubectl }: NodeCluster, component: string): Promise<string> {
  const selector = `-l=app.kubernetes.io/component=${component}`
  return kubectl('get', 'pods', '-n=rexec', selector, '-o=jsonpath={.items[0].status.podIP}')
}
