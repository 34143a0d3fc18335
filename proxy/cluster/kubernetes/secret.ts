import type { V1Job, V1Secret } from '@kubernetes/client-node'
import { AgentSettings } from '../../../common/agent-settings.ts'
import { checkSettings } from '../../../common/settings.ts'
import type { Namespace } from '../../pipeline.ts'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { parseQuantity } from '../../security-model/quantity.ts'
import { objectName, ownLabels, READY_PORT, SERVER } from './names.ts'
import { CONFIG, CREDENTIAL_KEY, HOME, SETTINGS_KEY, SOCKET, TERMINATION_MESSAGE } from './paths.ts'
import type { KubernetesSettings } from './settings.ts'

/** What AgentSettings takes; a profile may say less. */
const LEAST_FILE_BYTES = 1024 ** 2

/** What the agent is told. Belongs to the Job, which has its uid by now: the one goes when the other does. */
export function buildSecret(
  server: ApprovedServer,
  context: {
    namespace: Namespace
    settings: KubernetesSettings
    job: V1Job
    /** The server credential (JWT). */
    credential: string
    /** Addresses for servers, such as tcp://rexec-broker:5560. */
    brokers: string[]
  },
): V1Secret {
  const { namespace, settings, job, credential, brokers } = context
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: objectName(server.name),
      namespace: namespace.name,
      labels: { ...ownLabels(settings.instance), [SERVER]: server.name },
      ownerReferences: [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          name: job.metadata!.name!,
          uid: job.metadata!.uid!,
          // A foreground deletion waits for it, so that the next server of this name finds it gone.
          blockOwnerDeletion: true,
        },
      ],
    },
    type: 'Opaque',
    immutable: true,
    stringData: {
      [SETTINGS_KEY]: JSON.stringify(agentSettings(server, settings, brokers)),
      [CREDENTIAL_KEY]: credential,
    },
  }
}

function agentSettings(
  server: ApprovedServer,
  settings: KubernetesSettings,
  brokers: string[],
): AgentSettings {
  const { url, trustedHosts } = settings.packageIndex
  return checkSettings(AgentSettings, {
    name: server.name,
    brokers,
    discoverySeconds: settings.agent.discoverySeconds,
    credentialFile: `${CONFIG}/${CREDENTIAL_KEY}`,
    socket: SOCKET,
    environmentsFolder: `${HOME}/environments`,
    environmentDigest: server.environmentDigest,
    python: server.python,
    requirements: [...server.requirements],
    // What an image holds beside its Python is why somebody has chosen it.
    systemSitePackages: true,
    ...(url !== undefined && { indexUrl: url }),
    trustedHosts,
    concurrency: server.concurrency,
    fileBytes: Math.max(
      LEAST_FILE_BYTES,
      Math.ceil(parseQuantity(server.pod.fileSize ?? server.pod.ephemeralStorage)),
    ),
    idleSeconds: server.idleSeconds,
    lifetimeSeconds: server.lifetimeSeconds,
    drainSeconds: settings.drainSeconds,
    // Its image may take long to pull; whether it ever starts is watched from outside.
    workerSeconds: 0,
    installSeconds: settings.readySeconds,
    sidecar: true,
    readyPort: READY_PORT,
    terminationMessageFile: TERMINATION_MESSAGE,
  })
}
