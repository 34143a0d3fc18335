import t from 'tap'
import { AgentSettings } from '../../../../common/agent-settings.ts'
import { checkSettings } from '../../../../common/settings.ts'
import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'
import { buildSecret } from '../../../../proxy/cluster/kubernetes/secret.ts'
import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'

const namespace = { name: 'rexec-alice-x', owner: 'alice' }
const CREDENTIAL = 'ey.credential.of-alice'
const brokers = ['tcp://rexec-broker.rexec:5560']

function secretOf(request: object = {}, given: object = {}) {
  const settings = kubernetesSettings(given)
  const server = approvedServer(request)
  const job = buildJob(server, { namespace, settings })
  job.metadata!.uid = '7f1c0a3e-0000-4000-8000-000000000000'
  return {
    server,
    secret: buildSecret(server, { namespace, settings, job, credential: CREDENTIAL, brokers }),
  }
}

t.test('the Secret belongs to its Job and cannot be changed', async (t) => {
  const { stringData, ...secret } = secretOf({ name: 'a' }).secret
  t.same(Object.keys(stringData!), ['settings.json', 'credential'])
  t.equal(stringData!.credential, CREDENTIAL)
  t.same(secret, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'rexec-a',
      namespace: 'rexec-alice-x',
      labels: {
        'app.kubernetes.io/managed-by': 'rexec',
        'app.kubernetes.io/instance': 'rexec',
        'rexec.dev/server': 'a',
      },
      ownerReferences: [
        {
          apiVersion: 'batch/v1',
          kind: 'Job',
          name: 'rexec-a',
          uid: '7f1c0a3e-0000-4000-8000-000000000000',
          blockOwnerDeletion: true,
        },
      ],
    },
    type: 'Opaque',
    immutable: true,
  })
})

t.test('its settings are what an agent takes, with what was approved', async (t) => {
  const request = { requirements: ['numpy>=2'], concurrency: 3, idleSeconds: 100, lifetimeSeconds: 200 }
  const packageIndex = { url: 'https://pypi.test/simple', trustedHosts: ['pypi.test'] }
  const { server, secret } = secretOf(request, {
    packageIndex,
    drainSeconds: 9,
    readySeconds: 70,
    agent: { discoverySeconds: 11 },
  })
  const settings = JSON.parse(secret.stringData!['settings.json']!)
  t.same(checkSettings(AgentSettings, settings), settings, 'an agent starts with them')
  t.match(settings, {
    name: 'default',
    brokers,
    discoverySeconds: 11,
    credentialFile: '/etc/rexec/credential',
    socket: '/run/rexec/agent.sock',
    environmentsFolder: '/home/rexec/environments',
    environmentDigest: server.environmentDigest,
    python: '3.12',
    requirements: ['dill==0.4.0', 'numpy>=2'],
    systemSitePackages: true,
    indexUrl: 'https://pypi.test/simple',
    trustedHosts: ['pypi.test'],
    concurrency: 3,
    fileBytes: 4 * 1024 ** 3,
    idleSeconds: 100,
    lifetimeSeconds: 200,
    drainSeconds: 9,
    installSeconds: 70,
    sidecar: true,
    readyPort: 5561,
    terminationMessageFile: '/dev/termination-log',
  })
})

t.test("without an index of the admin's it is the installer's own", async (t) => {
  const settings = JSON.parse(secretOf().secret.stringData!['settings.json']!)
  t.notOk('indexUrl' in settings)
  t.same(settings.trustedHosts, [])
})

t.test('the environment of the user is no part of it', async (t) => {
  const { secret } = secretOf({ env: { A: 'value-of-the-user' } })
  t.notMatch(JSON.stringify(secret), 'value-of-the-user')
})

t.test('the largest file is what the profile says, else all of its disk', async (t) => {
  const bytesOf = (pod: object) => {
    const server = approvedServer({}, { profile: { pod } })
    const job = { metadata: { name: 'rexec-default', uid: '7f1c0a3e-0000-4000-8000-000000000000' } }
    const settings = kubernetesSettings()
    const secret = buildSecret(server, { namespace, settings, job, credential: CREDENTIAL, brokers })
    return JSON.parse(secret.stringData!['settings.json']!).fileBytes
  }
  t.equal(bytesOf({ ephemeralStorage: '1.5Gi' }), 1.5 * 1024 ** 3)
  t.equal(bytesOf({ ephemeralStorage: '1Gi', fileSize: '10Gi' }), 10 * 1024 ** 3)
  t.equal(bytesOf({ ephemeralStorage: '1000' }), 1024 ** 2, 'less would stop the agent')
})
