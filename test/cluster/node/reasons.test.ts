import { readdir, readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import type { ServerStatus } from '../../../proxy/pipeline.ts'
import { namespaceName } from '../../../proxy/security-model/namespace-name.ts'
import { client, findClient } from '../../support/clients.ts'
import { smallProfile, startKubernetesService } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { followServer } from '../../support/server-events.ts'
import { type NodeCluster, nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip } = await findClient(client)
const missing = await nodeClusterMissing()

/** Milliseconds within which a reason must reach the user: 5 s, thrice as long where other tests keep the machine busy. */
const SOON = 15_000
/** Seconds after which the cluster's attempts are given up: the least that the settings allow. */
const PATIENCE = 5
/** Seconds from the start of its agent; long enough for a server to become ready on a busy machine. */
const LIFETIME = 30

/** Calls in the background, each on a server of its own: `outcome` has what it returned or raised, and when. */
const CALLS = `
  import time
  from concurrent.futures import ThreadPoolExecutor
  pool, calls = ThreadPoolExecutor(16), {}

  def attempt(call):
      try:
          return {"value": call(), "at": time.time() * 1000}
      except BaseException as error:
          return {"raised": str(error), "at": time.time() * 1000}

  def begin(name, function, token):
      call = remote_func(function)
      call.exec_token = token
      calls[name] = pool.submit(attempt, call)

  def outcome(name):
      return calls[name].result()

  def fill_memory():
      import mmap
      for _ in range(64):
          area = mmap.mmap(-1, 64 * 2**20)
          for page in range(0, len(area), 4096):
              area[page] = 1
          globals().setdefault("areas", []).append(area)

  def fill_disk():
      import time
      for number in range(11):
          with open("/tmp/full%d" % number, "wb", buffering=0) as file:
              file.write(bytes(10 * 2**20))
      print("full at %f" % (time.time() * 1000), flush=True)
      time.sleep(1000)

  def stay():
      import time
      print("it runs", flush=True)
      time.sleep(1000)
`

interface Outcome {
  value?: unknown
  raised?: string
  at: number
}

t.test('every reason reaches the user', { skip: skip || missing || false }, async (t) => {
  const cluster = await startNodeCluster(t)
  const [version] = Object.entries(cluster.images.pythons)[0]!
  const profile = (name: string, more: object = {}) => smallProfile(cluster, { name, ...more })
  const service = await startKubernetesService(t, cluster, {
    profiles: [
      profile('small', { lifetimeSeconds: { min: 1 }, idleSeconds: { min: 1 } }),
      profile('large', { cpu: { max: 64 }, memory: { max: '4Ti' } }),
      profile('absent', { pythons: { [version]: 'localhost/absent:1' } }),
      profile('marked', { pod: { labels: { 'example.org/refuse': 'yes' } } }),
      profile('claim', { pod: { volumes: [{ claim: 'data', mountPath: '/data' }] } }),
      profile('mount', { pod: { volumes: [{ claim: 'broken', mountPath: '/data' }] } }),
      profile('disk', { pod: { ephemeralStorage: '100Mi' } }),
    ],
    kubernetes: {
      quota: { 'requests.cpu': '4' },
      unschedulableSeconds: PATIENCE,
      imagePullSeconds: PATIENCE,
      drainSeconds: 1,
    },
  })
  await refuse(cluster, 'example.org/refuse')
  const alice = openNotebook(t, python, service.as('alice'), client)
  await alice.run(CALLS)

  /** Starts a server and calls a function on it, without waiting for either. */
  async function start(t: Test, name: string, request: object, callee = 'lambda: 42') {
    const json = { name, python: version, resources: { cpu: 0.3 }, ...request }
    const started = await service.api<{ token: string }>('alice', '/servers', { method: 'POST', json })
    const since = Date.now()
    t.match(started, { server: { name } })
    const events = await followServer(t, service.as('alice'), name)
    await alice.run(`begin(${JSON.stringify(name)}, ${callee}, ${JSON.stringify(started.token)})`)
    return { since, events, outcome: () => alice.run<Outcome>(`outcome(${JSON.stringify(name)})`) }
  }

  type Started = Awaited<ReturnType<typeof start>>

  /** The same reason in the stream, in the state and in the call, soon after `since`. */
  async function assertTold(
    t: Test,
    name: string,
    { events, outcome }: Started,
    since: number,
    expected: { phase: string; code?: string; message: RegExp },
    raised = expected.message,
  ) {
    const told = await events.until(({ phase }) => phase === 'failed' || phase === 'stopped')
    t.match(told.status, expected)
    t.match(await service.api<ServerStatus>('alice', `/servers/${name}`), expected)
    const call = await outcome()
    t.match(call.raised, raised, 'the call raises it')
    const [event, error] = [told.at - since, call.at - since]
    t.comment(`${name}: ${event.toFixed(0)} ms until the event, ${error.toFixed(0)} ms until the call ends`)
    t.ok(event < SOON && error < SOON, 'both soon')
  }

  await t.test('what keeps a server from starting', async (t) => {
    const cases: [string, object, number, string, RegExp][] = [
      [
        'quota',
        { profile: 'large', resources: { cpu: 8 } },
        0,
        'quota_exceeded',
        /cpu: 8\S* asked for.* of 4 used/,
      ],
      ['refused', { profile: 'marked' }, 0, 'admission_refused', /no pods that are marked/],
      [
        'room',
        { profile: 'large', resources: { memory: 2 ** 41 } },
        PATIENCE,
        'unschedulable',
        /2Ti of memory/,
      ],
      ['image', { profile: 'absent' }, PATIENCE, 'image_unavailable', /localhost\/absent:1/],
      [
        'mount',
        { profile: 'mount' },
        PATIENCE,
        'server_failed',
        /volume "broken" cannot be mounted: .* not a directory/,
      ],
      ['claim', { profile: 'claim' }, PATIENCE, 'server_failed', /volume claim "data" .* does not exist/],
    ]
    const started: [Started, ...(typeof cases)[number]][] = []
    for (const one of cases) {
      // Her first server has made the namespace.
      if (one[0] === 'mount') await makeBrokenClaim(cluster, namespaceName('alice', 'rexec-'))
      started.push([await start(t, one[0], one[1]), ...one])
    }
    for (const [server, name, , patience, code, message] of started) {
      const { events, since } = server
      if (patience > 0) {
        const early = await events.until((status) => message.test(status.message))
        t.ok(
          early.status.phase !== 'failed' && early.at - since < SOON,
          'it is told while there is still hope',
        )
        t.comment(`${name}: ${early.at - since} ms until its state says so`)
      }
      await assertTold(t, name, server, since + patience * 1000, { phase: 'failed', code, message })
    }
  })

  await t.test('what ends a server', async (t) => {
    const life = await start(t, 'life', { lifetimeSeconds: LIFETIME }, 'stay')
    const idle = await start(t, 'idle', { idleSeconds: 2 })
    const disk = await start(t, 'disk', { profile: 'disk' }, 'fill_disk')
    const install = await start(t, 'install', { requirements: ['six==99.99'] })

    const distribution = /No matching distribution found for six==99\.99/
    const pip = await install.events.until((status) => distribution.test(status.message))
    const unknown = { phase: 'failed', code: 'install_failed', message: distribution }
    await assertTold(t, 'install', install, pip.at, unknown)

    const { value, at } = await idle.outcome()
    t.equal(value, 42)
    const stopped = await idle.events.until(({ phase }) => phase === 'stopped')
    t.match(stopped.status, { message: /no call for 2 seconds/ })
    t.comment(`idle: ${stopped.at - at - 2000} ms until the event`)

    // How much a volume holds the kubelet counts every few seconds; its event says when it has seen it.
    const [, full] = await alice.stdout.until(/full at ([\d.]+)/)
    const evicted = await disk.events.until(({ code }) => code === 'evicted')
    t.comment(`disk: ${evicted.at - Number(full)} ms until the cluster has noticed`)
    const state = {
      phase: 'failed',
      code: 'evicted',
      message: /volume "tmp" held more than its limit of 100Mi/,
    }
    await assertTold(t, 'disk', disk, evicted.at, state)

    const message = new RegExp(`life time of ${LIFETIME} seconds is over`)
    await assertTold(t, 'life', life, (await life.outcome()).at, { phase: 'stopped', message })
  })

  await t.test('the worker is killed', async (t) => {
    t.match(await alice.run('set_environment(PYTHON)'), { status: 200 })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
    const events = await followServer(t, service.as('alice'), 'default')
    await alice.run(`begin("worker", stay, ${JSON.stringify(service.as('alice').token)})`)
    await alice.stdout.until(/it runs.*it runs/s)
    const pod = await cluster.kubectl('get', 'pods', '-A', '-l', 'rexec.dev/server=default', '-o', 'json')
    const since = Date.now()
    process.kill(await workerOf(JSON.parse(pod).items[0].metadata.uid), 'SIGKILL')
    const server = { since, events, outcome: () => alice.run<Outcome>('outcome("worker")') }
    await assertTold(t, 'default', server, since, { phase: 'failed', code: 'worker_lost', message: /worker/ })
  })

  await t.test('what ends a call, and the server goes on', async (t) => {
    t.match(await alice.run('set_environment(PYTHON)'), { status: 200 })
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
    const cases: [string, string, RegExp][] = [
      ['memory', 'fill_memory', /out of memory \(limit 256 MiB\).*\[out_of_memory\]/],
      ['exit', 'lambda: __import__("os")._exit(3)', /exit code 3.*\[worker_died\]/],
      ['crash', 'lambda: __import__("ctypes").string_at(0)', /SIGSEGV.*\[worker_died\]/],
    ]
    for (const [name, callee, message] of cases) {
      const since = Date.now()
      const error = await alice.raises(`remote_func(${callee})()`)
      t.match(error, { name: 'RuntimeError', message })
      t.comment(`${name}: ${Date.now() - since} ms until the call ends`)
      t.equal(await alice.run('remote_func(lambda: 42)()'), 42)
    }
  })
})

/** The worker's first process, as this machine sees it. */
async function workerOf(pod: string): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
    const isWorker = /agent\.sock/.test(await read('cmdline'))
    const isFirst = /^NSpid:.*\t1$/m.test(await read('status'))
    if (isWorker && isFirst && (await read('cgroup')).includes(pod)) return Number(pid)
  }
  throw new Error('no worker of the pod runs on this machine')
}

/** A claim with a volume that no node has. */
async function makeBrokenClaim({ apply, kubectl }: NodeCluster, namespace: string): Promise<void> {
  const spec = { storageClassName: '', accessModes: ['ReadWriteOnce'] }
  const hostPath = { path: '/rexec-nosuch', type: 'Directory' }
  const metadata = { name: 'broken' }
  await apply([
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata,
      spec: { ...spec, hostPath, capacity: { storage: '1Mi' } },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { ...metadata, namespace },
      spec: { ...spec, volumeName: 'broken', resources: { requests: { storage: '1Mi' } } },
    },
  ])
  await kubectl(
    'wait',
    '--for=jsonpath={.status.phase}=Bound',
    'pvc/broken',
    '-n',
    namespace,
    '--timeout=60s',
  )
}

/** As an admin might have it. Resolves when it is in force, which is a moment after it was stored. */
async function refuse(cluster: NodeCluster, label: string): Promise<void> {
  await cluster.apply(refusing(label))
  const marked = ['marked', '--image=none', `--labels=${label}=yes`, '-n', 'default', '--dry-run=server']
  for (let answer = ''; !answer.includes('We want no pods that are marked'); )
    answer = await cluster.kubectl('run', ...marked).catch(({ message }: Error) => message)
}

/** A policy of the cluster's own. */
function refusing(label: string): object[] {
  const metadata = { name: 'unmarked-pods-only' }
  const api = { apiVersion: 'admissionregistration.k8s.io/v1', metadata }
  return [
    {
      ...api,
      kind: 'ValidatingAdmissionPolicy',
      spec: {
        matchConstraints: {
          resourceRules: [
            { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] },
          ],
        },
        validations: [
          {
            expression: `!('${label}' in variables.labels)`,
            message: 'We want no pods that are marked.',
          },
        ],
        variables: [
          { name: 'labels', expression: 'has(object.metadata.labels) ? object.metadata.labels : {}' },
        ],
      },
    },
    {
      ...api,
      kind: 'ValidatingAdmissionPolicyBinding',
      spec: { policyName: metadata.name, validationActions: ['Deny'] },
    },
  ]
}
