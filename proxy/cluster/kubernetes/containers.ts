import type { V1Container, V1EnvVar, V1SecurityContext } from '@kubernetes/client-node'
import { workerCommand } from '../../../common/worker-command.ts'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { parseQuantity } from '../../security-model/quantity.ts'
import { AGENT, READY_PORT, WORKER } from './names.ts'
import { CONFIG, HOME, SETTINGS_KEY, SOCKET, TERMINATION_MESSAGE, TMP } from './paths.ts'
import type { KubernetesSettings } from './settings.ts'
import { agentMounts, bytes, workerMounts } from './volumes.ts'

/** How much more of a core than it asks for the agent may use while messages pass it. */
const AGENT_CPU_BURST = 10
/** Disk of the agent, which writes nothing but its log (the kubelet keeps 50 MiB of that). */
const AGENT_DISK = '128Mi'

const SECURITY: V1SecurityContext = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

/** Holds the server's credential and speaks to the brokers; no text of the user reaches its command or environment. */
export function agentContainer({ agent }: KubernetesSettings): V1Container {
  const memory = bytes(agent.memory)
  const cpu = parseQuantity(agent.cpu)
  return {
    name: AGENT,
    image: agent.image,
    imagePullPolicy: agent.imagePullPolicy,
    restartPolicy: 'Always',
    command: ['rexec', 'agent', '--settings', `${CONFIG}/${SETTINGS_KEY}`],
    resources: {
      requests: { cpu: cores(cpu), memory, 'ephemeral-storage': bytes(AGENT_DISK) },
      limits: { cpu: cores(cpu * AGENT_CPU_BURST), memory, 'ephemeral-storage': bytes(AGENT_DISK) },
    },
    // Ready is what takes calls: the agent listens as long as that is so.
    readinessProbe: { tcpSocket: { port: READY_PORT }, periodSeconds: 2, failureThreshold: 1 },
    terminationMessagePath: TERMINATION_MESSAGE,
    // One that crashes leaves no word of its own: then the end of its log is the reason.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: agentMounts,
    securityContext: SECURITY,
  }
}

/** Runs the user's functions. What it asks for it gets, and no more: no user's use of a node touches another's. */
export function workerContainer(server: ApprovedServer): V1Container {
  const { resources, pod } = server
  const amounts = {
    cpu: cores(resources.cpu),
    // What lies in shared memory counts as memory of the container that wrote it.
    memory: bytes(resources.memory),
    'ephemeral-storage': bytes(pod.ephemeralStorage),
    ...(resources.gpu > 0 && { [pod.gpuResource]: `${resources.gpu}` }),
  }
  return {
    name: WORKER,
    image: server.interpreter,
    imagePullPolicy: pod.imagePullPolicy,
    command: workerCommand('python3', SOCKET).map(literal),
    workingDir: HOME,
    env: workerEnv(server),
    resources: { requests: amounts, limits: amounts },
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: workerMounts(server),
    securityContext: SECURITY,
  }
}

/** The user's variables, then ours, which count. PATH is the image's, where its Python may lie anywhere. */
function workerEnv({ env, resources }: ApprovedServer): V1EnvVar[] {
  const variables = {
    ...env,
    HOME,
    TMPDIR: TMP,
    USER: 'rexec',
    LOGNAME: 'rexec',
    // Its disk ends with it: a copy of each package for later would only fill it.
    PIP_NO_CACHE_DIR: '1',
    UV_NO_CACHE: '1',
    // Images made for GPUs say "all", which NVIDIA's runtime obeys even where none was asked for.
    ...(resources.gpu === 0 && { NVIDIA_VISIBLE_DEVICES: 'void' }),
  }
  return Object.entries(variables).map(([name, value]) => ({ name, value: literal(value) }))
}

/** Kubernetes replaces $(NAME) in commands and values of variables; "$$" stands for one "$". */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$')
}

function cores(count: number): string {
  return `${Math.round(count * 1000)}m`
}
