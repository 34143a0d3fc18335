import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type NodeCluster, nodeClusterMissing, prepareNodeCluster, startNodeCluster } from './node.ts'
import { pod, runPod, startPod } from './pods.ts'

const missing = await nodeClusterMissing()
if (missing) {
  t.plan(0, missing)
  process.exit()
}

await prepareNodeCluster({}, (line) => t.comment(line))
const start = performance.now()
const cluster: NodeCluster = await startNodeCluster(t)
t.comment(`ready after ${((performance.now() - start) / 1000).toFixed(1)} s`)
const { kubectl, images, indexUrl, hostAddress, nodeAddress } = cluster
const python = images.pythons['3.13']!

/** Serves its folder on port 8000 and says so. */
const WEB = {
  image: python,
  command: ['python3', '-m', 'http.server', '8000'],
  readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 },
}
/** Waits to be told what to do by exec. */
const IDLE = { image: python, command: ['sleep', 'infinity'] }

function exec(name: string, ...command: string[]): Promise<string> {
  return kubectl('exec', name, '--', ...command)
}

/** Whether a pod gets a page within 2 s. */
function reaches(name: string, url: string): Promise<boolean> {
  const code = `import urllib.request; urllib.request.urlopen(${JSON.stringify(url)}, timeout=2)`
  return exec(name, 'python3', '-c', code).then(
    () => true,
    () => false,
  )
}

t.test('the images are what their names say', async (t) => {
  for (const [version, image] of Object.entries(images.pythons)) {
    const { log } = await runPod(cluster, pod(`python-${version}`, { image, args: ['python3', '--version'] }))
    t.match(log, `Python ${version}.`)
  }
})

t.test('rexec runs as any user, with a read-only root file system and no rights', async (t) => {
  const securityContext = {
    runAsNonRoot: true,
    runAsUser: 4711,
    runAsGroup: 4711,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  }
  const version = pod('version', { image: images.agent, args: ['--version'], securityContext })
  const { status, log } = await runPod(cluster, version)
  t.equal(status.phase, 'Succeeded')
  t.match(log, /^\d+\.\d+\.\d+/)
  const addon = [
    'node',
    '--input-type=module',
    '-e',
    "import('/opt/rexec/node_modules/zeromq/lib/index.js').then(() => console.log('loaded'))",
  ]
  t.match(
    (await runPod(cluster, pod('addon', { image: images.agent, command: addon, securityContext }))).log,
    'loaded',
  )
})

t.test('a sidecar runs before the container beside it, and ends after it', async (t) => {
  const volumeMounts = [{ name: 'shared', mountPath: '/shared' }]
  const sidecar = {
    name: 'sidecar',
    image: python,
    imagePullPolicy: 'Never',
    restartPolicy: 'Always',
    command: ['sh', '-c', 'sleep 1; touch /shared/up; sleep infinity'],
    startupProbe: { exec: { command: ['test', '-e', '/shared/up'] }, periodSeconds: 1 },
    volumeMounts,
  }
  const main = { image: python, command: ['ls', '/shared'], volumeMounts }
  const volumes = [{ name: 'shared', emptyDir: {} }]
  const { status, log } = await runPod(cluster, pod('sidecar', main, { initContainers: [sidecar], volumes }))
  t.equal(status.phase, 'Succeeded')
  t.match(log, 'up')
})

t.test('a container that takes too much memory is OOMKilled', async (t) => {
  const command = ['python3', '-c', 'x = bytearray(200_000_000)']
  const { status } = await runPod(
    cluster,
    pod('memory', { image: python, command, resources: { limits: { memory: '64Mi' } } }),
  )
  t.match(status.containerStatuses[0].state.terminated, { reason: 'OOMKilled', exitCode: 137 })
})

t.test(
  'a container that starts too many processes gets no more, and one that fills the disk is evicted',
  async (t) => {
    const forks = `
import os, time
try:
    while os.fork(): pass
    time.sleep(60)
except OSError as error: print(error, flush=True)
os._exit(0)`
    const fill = { command: ['sh', '-c', 'head -c 50000000 /dev/zero >/full/file; sleep infinity'] }
    const volumes = [{ name: 'full', emptyDir: { sizeLimit: '10Mi' } }]
    const volumeMounts = [{ name: 'full', mountPath: '/full' }]
    const [bomb, filled] = await Promise.all([
      runPod(cluster, pod('bomb', { image: python, command: ['python3', '-c', forks] })),
      runPod(cluster, pod('fill', { image: python, ...fill, volumeMounts }, { volumes })),
    ])
    t.match(bomb.log, 'Resource temporarily unavailable')
    t.match(filled.status, { phase: 'Failed', reason: 'Evicted' })
  },
)

t.test('Services have names and node ports', async (t) => {
  await startPod(cluster, pod('web', WEB))
  const spec = { type: 'NodePort', selector: { name: 'web' }, ports: [{ port: 80, targetPort: 8000 }] }
  await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' }, spec })
  await startPod(cluster, pod('visitor', IDLE))
  t.ok(await reaches('visitor', 'http://web/'), 'by its short name')
  t.ok(await reaches('visitor', 'http://web.default.svc.cluster.local/'), 'by its full name')
  const port = await kubectl('get', 'service', 'web', '--output=jsonpath={.spec.ports[0].nodePort}')
  t.match(await page(`http://${nodeAddress}:${port}/`), 'Directory listing')
})

t.test('a pod installs wheels of the package index, with either Python', async (t) => {
  for (const [version, image] of Object.entries(images.pythons)) {
    const install = `python3 -m venv /tmp/venv &&
      /tmp/venv/bin/pip install --quiet --index-url ${indexUrl} --trusted-host ${hostAddress} dill==0.4.0 six==1.17.0 &&
      /tmp/venv/bin/python -c 'import dill, six; print(dill.__version__, six.__version__)'`
    const { log } = await runPod(
      cluster,
      pod(`install-${version}`, { image, command: ['sh', '-c', install] }),
    )
    t.match(log, '0.4.0 1.17.0')
  }
})

t.test('NetworkPolicies are enforced, as they come and go', async (t) => {
  const address = await startPod(cluster, pod('guarded', WEB))
  await Promise.all(['friend', 'stranger'].map((name) => startPod(cluster, pod(name, IDLE))))
  const url = `http://${address}:8000/`
  const visits = async () => [await reaches('friend', url), await reaches('stranger', url)]
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

t.test('somebody else may do what the rules of the cluster say', async (t) => {
  const file = await cluster.kubeconfigFor({ user: 'eve', groups: ['students'] })
  t.equal(
    await kubectl(`--kubeconfig=${file}`, 'auth', 'whoami', '--output=jsonpath={.status.userInfo.username}'),
    'eve',
  )
  await t.rejects(kubectl(`--kubeconfig=${file}`, 'get', 'pods'), /Forbidden/)
  const account = await cluster.kubeconfigFor({ serviceAccount: 'default', namespace: 'default' })
  await t.rejects(kubectl(`--kubeconfig=${account}`, 'get', 'pods'), /system:serviceaccount:default:default/)
})

t.test(
  'pods outlive a restart of the API server and of kubelet',
  { skip: cluster.given && 'not on a given cluster' },
  async (t) => {
    await startPod(cluster, pod('lasting', IDLE))
    const uid = () =>
      kubectl(
        'get',
        'pod',
        'lasting',
        '--output=jsonpath={.metadata.uid} {.status.containerStatuses[0].restartCount}',
      )
    const before = await uid()
    await cluster.restartApi()
    await cluster.restartKubelet()
    t.equal(await uid(), before)
    await until(() =>
      exec('lasting', 'true').then(
        () => true,
        () => false,
      ),
    )
    t.match((await runPod(cluster, pod('later', { image: python, command: ['echo', 'hello'] }))).log, 'hello')
  },
)

t.test(
  'a node whose kubelet is gone is noticed',
  { skip: cluster.given && 'not on a given cluster' },
  async (t) => {
    await cluster.stopKubelet()
    await kubectl('wait', '--for=condition=Ready=Unknown', 'node/node1', '--timeout=60s')
    await cluster.startKubelet()
    await kubectl('wait', '--for=condition=Ready', 'node/node1', '--timeout=60s')
    t.pass('and so is its return')
  },
)

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
