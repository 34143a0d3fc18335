import type { V1Container, V1PodSpec } from '@kubernetes/client-node'
import t from 'tap'
import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'
import { userId } from '../../../../proxy/cluster/kubernetes/names.ts'
import type { ServerRequest } from '../../../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../../../proxy/security-model/approve.ts'
import { IMAGES, someRequest } from '../../../attacks/random.ts'
import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'
import { createRandom } from '../../../support/random.ts'
import { securityModel } from '../../../support/security-model.ts'

const ROUNDS = 2000

const defaults = kubernetesSettings()

function podOf(server: ApprovedServer, settings = defaults): V1PodSpec {
  const namespace = { name: 'rexec-alice-x', owner: server.user }
  return buildJob(server, { namespace, settings }).spec!.template.spec!
}

const containersOf = (pod: V1PodSpec): V1Container[] => [...(pod.initContainers ?? []), ...pod.containers]
const SECURITY = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

t.test('a pod as it goes to the API server', async (t) => {
  const profile = {
    gpu: { max: 2 },
    pod: {
      nodeSelector: { pool: 'gpu' },
      tolerations: [{ key: 'gpu', operator: 'Exists' }],
      priorityClassName: 'low',
      runtimeClassName: 'gvisor',
      sharedMemory: '1Gi',
      ephemeralStorage: '2.5Gi',
      imagePullPolicy: 'Always',
      volumes: [
        { claim: 'data', mountPath: '/data', readOnly: true },
        { claim: 'home', mountPath: '/work' },
        { claim: 'data', mountPath: '/data-a', subPath: 'a' },
      ],
    },
  }
  const server = approvedServer(
    { env: { B: '2', A: 'x' }, resources: { cpu: 0.25, memory: 2 ** 30, gpu: 1 } },
    { profile },
  )
  const settings = { imagePullSecrets: ['pull'], drainSeconds: 20, agent: { image: 'rexec:1', cpu: '50m' } }
  const { initContainers, containers, ...pod } = podOf(server, kubernetesSettings(settings))
  const lost = { operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 30 }
  t.same(pod, {
    volumes: [
      { name: 'run', emptyDir: { sizeLimit: '1048576' } },
      { name: 'config', secret: { secretName: 'rexec-default', defaultMode: 0o440 } },
      { name: 'home', emptyDir: { sizeLimit: '2684354560' } },
      { name: 'tmp', emptyDir: { sizeLimit: '2684354560' } },
      { name: 'shared-memory', emptyDir: { medium: 'Memory', sizeLimit: '1073741824' } },
      { name: 'claim-0', persistentVolumeClaim: { claimName: 'data' } },
      { name: 'claim-1', persistentVolumeClaim: { claimName: 'home' } },
    ],
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 35,
    serviceAccountName: 'rexec',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    shareProcessNamespace: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId('alice'),
      runAsGroup: userId('alice'),
      fsGroup: userId('alice'),
      fsGroupChangePolicy: 'OnRootMismatch',
      seccompProfile: { type: 'RuntimeDefault' },
    },
    imagePullSecrets: [{ name: 'pull' }],
    nodeSelector: { pool: 'gpu' },
    tolerations: [
      { key: 'gpu', operator: 'Exists' },
      { key: 'node.kubernetes.io/not-ready', ...lost },
      { key: 'node.kubernetes.io/unreachable', ...lost },
    ],
    affinity: {},
    priorityClassName: 'low',
    runtimeClassName: 'gvisor',
  })
  const agentMemory = { memory: '201326592', 'ephemeral-storage': '134217728' }
  t.same(initContainers, [
    {
      name: 'agent',
      image: 'rexec:1',
      imagePullPolicy: 'IfNotPresent',
      restartPolicy: 'Always',
      command: ['rexec', 'agent', '--settings', '/etc/rexec/settings.json'],
      resources: { requests: { cpu: '50m', ...agentMemory }, limits: { cpu: '500m', ...agentMemory } },
      readinessProbe: { tcpSocket: { port: 5561 }, periodSeconds: 2, failureThreshold: 1 },
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'FallbackToLogsOnError',
      volumeMounts: [
        { name: 'run', mountPath: '/run/rexec' },
        { name: 'config', mountPath: '/etc/rexec', readOnly: true },
      ],
      securityContext: SECURITY,
    },
  ])
  const amounts = {
    cpu: '250m',
    memory: '1073741824',
    'ephemeral-storage': '2684354560',
    'nvidia.com/gpu': '1',
  }
  const [{ command, ...worker }] = containers as [V1Container]
  t.same(command!.slice(0, 3), ['python3', '-u', '-c'])
  t.equal(command!.at(-1), '/run/rexec/agent.sock')
  t.same(worker, {
    name: 'worker',
    image: 'python:3.12-slim',
    imagePullPolicy: 'Always',
    workingDir: '/home/rexec',
    env: [
      { name: 'A', value: 'x' },
      { name: 'B', value: '2' },
      { name: 'HOME', value: '/home/rexec' },
      { name: 'TMPDIR', value: '/tmp' },
      { name: 'USER', value: 'rexec' },
      { name: 'LOGNAME', value: 'rexec' },
      { name: 'PIP_NO_CACHE_DIR', value: '1' },
      { name: 'UV_NO_CACHE', value: '1' },
    ],
    resources: { requests: amounts, limits: amounts },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: 'run', mountPath: '/run/rexec' },
      { name: 'home', mountPath: '/home/rexec' },
      { name: 'tmp', mountPath: '/tmp' },
      { name: 'shared-memory', mountPath: '/dev/shm' },
      { name: 'claim-0', mountPath: '/data', readOnly: true },
      { name: 'claim-1', mountPath: '/work', readOnly: false },
      { name: 'claim-0', mountPath: '/data-a', readOnly: false, subPath: 'a' },
    ],
    securityContext: SECURITY,
  })
})

t.test('a profile that says how long a lost node is borne is followed', async (t) => {
  const tolerationsOf = (tolerations: object[]) =>
    podOf(approvedServer({}, { profile: { pod: { tolerations } } })).tolerations
  const own = { key: 'node.kubernetes.io/unreachable', operator: 'Exists', tolerationSeconds: 600 }
  t.match(tolerationsOf([own]), [own, { key: 'node.kubernetes.io/not-ready', tolerationSeconds: 30 }])
  t.same(tolerationsOf([{ operator: 'Exists' }]), [{ operator: 'Exists' }])
})

t.test('a pod that asks for no GPU tells an image made for GPUs so', async (t) => {
  const env = podOf(approvedServer()).containers[0]!.env!
  t.same(
    env.find(({ name }) => name === 'NVIDIA_VISIBLE_DEVICES'),
    { name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' },
  )
})

t.test('variables that an admin has opened to users do not take the place of ours', async (t) => {
  const { model, grant } = securityModel({ env: { deniedNames: [], deniedPrefixes: [] } })
  const server = model.approve(grant, {
    python: '3.12',
    env: { HOME: '/evil', TMPDIR: '/evil', PATH: '/evil' },
  })
  const values = Object.groupBy(podOf(server).containers[0]!.env!, ({ name }) => name)
  t.same(values.HOME, [{ name: 'HOME', value: '/home/rexec' }])
  t.same(values.TMPDIR, [{ name: 'TMPDIR', value: '/tmp' }])
})

/** What the kubelet makes of a value: k8s.io/kubernetes/third_party/forked/golang/expansion. */
function expand(text: string, variables: Record<string, string>): string {
  return text.replace(/\$(\$|\(([^)]*)\))?/g, (found, next?: string, name?: string) => {
    if (next === '$') return '$'
    return name === undefined ? found : (variables[name] ?? found)
  })
}

t.test('a user tries to have Kubernetes expand $(NAME): values arrive as they were written', async (t) => {
  const env = {
    A: 'secret',
    B: '$(A)',
    C: '$$(A)',
    D: '$$$(A)',
    E: '$',
    F: 'cost: 5$',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: what is sent
    G: '${A} $A $(',
    H: '$(HOME)$(KUBERNETES_SERVICE_HOST)',
  }
  const [worker] = podOf(approvedServer({ env })).containers
  const variables = Object.fromEntries(worker!.env!.map(({ name, value }) => [name, value!]))
  const arrived = Object.fromEntries(
    Object.keys(env).map((name) => [name, expand(variables[name]!, { A: 'x' })]),
  )
  t.same(arrived, env)
})

const AGENT = containersOf(podOf(approvedServer()))[0]!
const COMMAND = podOf(approvedServer()).containers[0]!.command

/** What is wrong with a pod, whatever was asked for. */
function flaws(pod: V1PodSpec, server: ApprovedServer): string[] {
  const [agent, worker, ...more] = containersOf(pod)
  const flaws: string[] = []
  const must = (holds: boolean, flaw: string) => holds || flaws.push(flaw)
  must(more.length === 0 && pod.ephemeralContainers === undefined, 'containers')
  must(JSON.stringify(agent) === JSON.stringify(AGENT), 'the agent depends on the request')
  must(JSON.stringify(worker!.command) === JSON.stringify(COMMAND) && !worker!.args, 'the command does')
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace'] as const)
    must(pod[field] === false, field)
  for (const field of ['nodeName', 'hostAliases', 'schedulerName', 'priorityClassName', 'hostname'] as const)
    must(pod[field] === undefined, field)
  must(pod.automountServiceAccountToken === false && pod.serviceAccountName === 'rexec', 'account')
  for (const { name, emptyDir, secret, ...others } of pod.volumes!) {
    must(Object.keys(others).length === 0, `volume ${name}`)
    must(secret ? secret.secretName === `rexec-${server.name}` : emptyDir!.sizeLimit !== undefined, name)
  }
  must(!worker!.volumeMounts!.some(({ name }) => name === 'config'), 'the worker sees the credential')
  for (const container of [agent!, worker!]) {
    must(JSON.stringify(container.securityContext) === JSON.stringify(SECURITY), 'security context')
    must(!container.envFrom && !container.lifecycle && !container.ports && !container.volumeDevices, 'extras')
    must(!container.env?.some(({ valueFrom }) => valueFrom), 'valueFrom')
    for (const kind of ['requests', 'limits'] as const)
      for (const resource of ['cpu', 'memory', 'ephemeral-storage'])
        must(/^[1-9][0-9]*m?$/.test(container.resources![kind]![resource] ?? ''), `${kind} of ${resource}`)
  }
  const names = worker!.env!.map(({ name }) => name)
  must(new Set(names).size === names.length, 'a variable twice')
  return flaws
}

t.test('whatever a hostile request gets approved, its pod keeps every invariant', async (t) => {
  const { model, grant } = securityModel({ profiles: [{ name: 'default', images: [IMAGES] }] })
  const random = createRandom(4)
  let built = 0
  for (let round = 0; round < ROUNDS; round++) {
    const request = someRequest(random) as ServerRequest
    let server: ApprovedServer
    try {
      server = model.approve(grant, request)
    } catch {
      continue
    }
    built++
    const found = flaws(podOf(server), server)
    if (found.length > 0) t.same(found, [], JSON.stringify(request))
  }
  t.ok(built > ROUNDS / 10, `${built} pods built`)
})

t.test('a profile can say which user id the files of its claims belong to', async (t) => {
  const { securityContext } = podOf(approvedServer({}, { profile: { pod: { userId: 1000 } } }))
  t.match(securityContext, { runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000 })
})
