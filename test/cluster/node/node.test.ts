import t from 'tap'
import { nodeClusterMissing, prepareNodeCluster, startNodeCluster } from './node.ts'
import { pod, runPod, startPod } from './pods.ts'

const missing = await nodeClusterMissing()
if (missing) {
  t.plan(0, missing)
  process.exit()
}

await prepareNodeCluster({}, (line) => t.comment(line))
const start = performance.now()
const cluster = await startNodeCluster(t)
t.comment(`ready after ${((performance.now() - start) / 1000).toFixed(1)} s`)
const { kubectl, images, indexUrl, hostAddress } = cluster
const python = images.pythons['3.13']!

/** Does nothing. */
const IDLE = { image: python, command: ['sleep', 'infinity'] }

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

t.test('a pod installs wheels of the package index, with either Python', async (t) => {
  const install = `python3 -m venv /tmp/venv &&
    /tmp/venv/bin/pip install --quiet --index-url ${indexUrl} --trusted-host ${hostAddress} dill==0.4.0 six==1.17.0 &&
    /tmp/venv/bin/python -c 'import dill, six; print(dill.__version__, six.__version__)'`
  const pods = Object.entries(images.pythons).map(([version, image]) =>
    runPod(cluster, pod(`install-${version}`, { image, command: ['sh', '-c', install] })),
  )
  for (const { log } of await Promise.all(pods)) t.match(log, '0.4.0 1.17.0')
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
    const path = '{.metadata.uid} {.status.containerStatuses[0].containerID}'
    const container = () => kubectl('get', 'pod', 'lasting', `--output=jsonpath=${path}`)
    const before = await container()
    await cluster.restartApi()
    await cluster.restartKubelet()
    const { log } = await runPod(cluster, pod('later', { image: python, command: ['echo', 'hello'] }))
    t.equal(log, 'hello\n')
    t.equal(await container(), before)
    t.equal(await kubectl('exec', 'lasting', '--', 'echo', 'hello'), 'hello\n')
  },
)

t.test(
  'a node whose kubelet is gone is noticed',
  { skip: cluster.given && 'not on a given cluster' },
  async (t) => {
    await cluster.stopKubelet()
    await kubectl('wait', '--for=condition=Ready=Unknown', 'node/node1', '--timeout=120s')
    await cluster.startKubelet()
    await kubectl('wait', '--for=condition=Ready', 'node/node1', '--timeout=120s')
    t.pass('and so is its return')
  },
)
