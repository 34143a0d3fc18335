import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { nodeClusterMissing, prepareNodeCluster, startNodeCluster } from './node.ts'
import { pod, runPod, startPod } from './pods.ts'

const missing = await nodeClusterMissing()
if (missing) {
  t.plan(0, missing)
  process.exit()
}

await prepareNodeCluster({}, (line) => t.comment(line))
const cluster = await startNodeCluster(t)
const { kubectl, images, indexUrl, nodeAddress } = cluster
const python = images.pythons['3.13']!

/** Serves its folder on port 8000 and says so. */
const WEB = {
  image: python,
  command: ['python3', '-m', 'http.server', '8000'],
  readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 },
}
/** Waits to be told what to do by exec. */
const IDLE = { image: python, command: ['sleep', 'infinity'] }

/** Whether a pod gets a page within 2 s. */
function reaches(name: string, url: string): Promise<boolean> {
  const code = `import urllib.request; urllib.request.urlopen(${JSON.stringify(url)}, timeout=2)`
  return kubectl('exec', name, '--', 'python3', '-c', code).then(
    () => true,
    () => false,
  )
}

t.test('Services have names and node ports', async (t) => {
  await startPod(cluster, pod('web', WEB))
  const spec = { type: 'NodePort', selector: { name: 'web' }, ports: [{ port: 80, targetPort: 8000 }] }
  await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec })
  await startPod(cluster, pod('visitor', IDLE))
  // Its rules and its name come a moment after it.
  await until(() => reaches('visitor', 'http://web/'))
  await until(() => reaches('visitor', 'http://web.default.svc.cluster.local/'))
  t.pass('by its short and its full name')
  const port = await kubectl('get', 'service', 'web', '--output=jsonpath={.spec.ports[0].nodePort}')
  t.match(await page(`http://${nodeAddress}:${port}/`), 'Directory listing')
})

t.test('NetworkPolicies are enforced, as they come and go', async (t) => {
  const address = await startPod(cluster, pod('guarded', WEB))
  await Promise.all(['friend', 'stranger'].map((name) => startPod(cluster, pod(name, IDLE))))
  const url = `http://${address}:8000/`
  const visits = async () => [await reaches('friend', url), await reaches('stranger', url)]
  for (const name of ['friend', 'stranger']) await until(() => reaches(name, url))
  t.same(await visits(), [true, true], 'without a policy')
  await cluster.apply(
    policy('guard', { podSelector: { matchLabels: { name: 'guarded' } }, policyTypes: ['Ingress'] }),
  )
  await until(async () => !(await reaches('friend', url)))
  t.same(await visits(), [false, false], 'denied')
  await cluster.apply(
    policy('admit', {
      podSelector: { matchLabels: { name: 'guarded' } },
      ingress: [{ from: [{ podSelector: { matchLabels: { name: 'friend' } } }] }],
    }),
  )
  await until(() => reaches('friend', url))
  t.same(await visits(), [true, false], 'one is admitted')
  await kubectl('delete', 'networkpolicy', 'admit', 'guard')
  await until(() => reaches('stranger', url))
  t.same(await visits(), [true, true], 'without a policy again')
})

t.test('a pod that is born under a policy has never been without it', async (t) => {
  const spec = { podSelector: { matchLabels: { name: 'confined' } }, policyTypes: ['Egress'] }
  await cluster.apply(policy('confine', spec))
  const code = `
import urllib.request
for _ in range(5):
    try: urllib.request.urlopen('${indexUrl}', timeout=0.5); print('reached')
    except OSError as error: print('denied')`
  const { log } = await runPod(cluster, pod('confined', { image: python, command: ['python3', '-c', code] }))
  t.equal(log, 'denied\n'.repeat(5))
})

t.test('a policy on DNS by the labels that it has on all clusters', async (t) => {
  const dns = {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
  }
  const spec = {
    podSelector: { matchLabels: { name: 'asker' } },
    policyTypes: ['Egress'],
    egress: [{ to: [dns] }],
  }
  await cluster.apply(policy('ask', spec))
  const code = "import socket; print(socket.gethostbyname('kubernetes.default'))"
  const { log } = await runPod(cluster, pod('asker', { image: python, command: ['python3', '-c', code] }))
  t.match(log, '10.96.0.1')
})

function policy(name: string, spec: object): object {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name }, spec }
}

/** A change of policy takes a moment; each look is bound by its own time-out. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition()));
}

function page(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, (response) => resolve(text(response))).on('error', reject)
  })
}
