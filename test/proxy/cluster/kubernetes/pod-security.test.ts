import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Job, V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'
import { BASELINE } from '../../../../proxy/cluster/kubernetes/names.ts'
import { buildSecret } from '../../../../proxy/cluster/kubernetes/secret.ts'
import type { ServerRequest } from '../../../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../../../proxy/security-model/approve.ts'
import { type ApiServer, apiServerMissing, startApiServer } from '../../../cluster/api-server.ts'
import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'

const skip = (await apiServerMissing()) ?? false
const namespace = { name: 'rexec-alice', owner: 'alice "the user" <ålice@example.org>' }
const settings = kubernetesSettings({
  agent: { image: 'registry.test/rexec:1', cpu: '0.05', memory: '200Mi' },
  imagePullSecrets: ['pull'],
})

const PROFILES: Record<string, object> = {
  default: {},
  'everything that a profile may say': {
    gpu: { max: 4 },
    replicas: { max: 8 },
    images: ['registry.test:5000/science/*:*'],
    pod: {
      nodeSelector: { 'example.org/pool': 'gpu', zone: '' },
      tolerations: [
        { key: 'gpu', operator: 'Equal', value: 'yes', effect: 'NoSchedule' },
        {
          key: 'node.kubernetes.io/unreachable',
          operator: 'Exists',
          effect: 'NoExecute',
          tolerationSeconds: 5,
        },
      ],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            {
              weight: 1,
              podAffinityTerm: {
                topologyKey: 'kubernetes.io/hostname',
                labelSelector: { matchLabels: { 'rexec.dev/server': 'default' } },
              },
            },
          ],
        },
      },
      priorityClassName: 'low',
      runtimeClassName: 'gvisor',
      gpuResource: 'amd.com/gpu',
      sharedMemory: 2 ** 30,
      ephemeralStorage: '12345678901m',
      imagePullPolicy: 'Always',
      volumes: [
        { claim: 'data', mountPath: '/data', readOnly: true, subPath: 'a/b' },
        { claim: 'data', mountPath: '/data/own' },
        { claim: 'my.home', mountPath: '/home/work' },
      ],
      labels: { team: 'a', 'kueue.x-k8s.io/queue-name': 'q' },
      annotations: { note: 'ö'.repeat(1000) },
    },
  },
  'small parts': {
    cpu: { min: '1m', default: '1m' },
    memory: { min: 1, default: 1 },
    pod: { sharedMemory: 0 },
  },
}

const REQUESTS: Record<string, ServerRequest> = {
  nothing: {},
  'the longest name': { name: `a${'-'.repeat(28)}b` },
  'hostile variables': {
    env: { A: '$(HOME) $$ $(', B: '\u202e\u0001\n\r\t"\'`\\', C: '', _: '😀', D: '- {a: [*b, &c, !!d]}' },
  },
  'many requirements': { requirements: Array.from({ length: 100 }, (_, index) => `package-${index}>=1,<2`) },
}
const MORE: ServerRequest = {
  image: `registry.test:5000/science/a:1@sha256:${'a'.repeat(64)}`,
  resources: { cpu: 0.123, memory: 2 ** 33, gpu: 3 },
  replicas: 8,
}

function servers(): ApprovedServer[] {
  return Object.entries(PROFILES).flatMap(([kind, profile]) => [
    ...Object.values(REQUESTS).map((request) => approvedServer(request, { profile })),
    ...(kind.startsWith('everything') ? [approvedServer(MORE, { profile })] : []),
  ])
}

const jobOf = (server: ApprovedServer) => buildJob(server, { namespace, settings })

/** The pod that the Job controller would make of it: pods are what PSA enforces, Jobs it only warns of. */
function podOf(job: V1Job): V1Pod {
  const { metadata, spec } = job.spec!.template
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name: job.metadata!.name, namespace: namespace.name },
    spec,
  }
}

/** Has the API server go through all of a creation but storing it; a warning counts as a refusal. */
async function dryRun(server: ApiServer, objects: object[]): Promise<void> {
  const file = join(server.folder, 'objects.json')
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
  const strict = ['--dry-run=server', '--validate=strict', '--warnings-as-errors']
  await server.kubectl('create', ...strict, '-f', file)
}

t.test(
  'every Job, pod and Secret passes a real API server that enforces "restricted"',
  { skip },
  async (t) => {
    const server = await startApiServer(t)
    const levels = ['enforce', 'warn', 'audit'].map((mode) => [
      `pod-security.kubernetes.io/${mode}`,
      'restricted',
    ])
    await server.apply([
      {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace.name, labels: Object.fromEntries(levels) },
      },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: BASELINE, namespace: namespace.name } },
      {
        apiVersion: 'scheduling.k8s.io/v1',
        kind: 'PriorityClass',
        metadata: { name: 'low' },
        value: -1,
        preemptionPolicy: 'Never',
      },
      { apiVersion: 'node.k8s.io/v1', kind: 'RuntimeClass', metadata: { name: 'gvisor' }, handler: 'runsc' },
    ])

    const jobs = servers().map(jobOf)
    await t.resolves(dryRun(server, jobs), `${jobs.length} Jobs, without a warning`)
    await t.resolves(dryRun(server, jobs.map(podOf)), 'their pods')

    const secrets = servers().map((approved) => {
      const job = jobOf(approved)
      job.metadata!.uid = '7f1c0a3e-0000-4000-8000-000000000000'
      return buildSecret(approved, {
        namespace,
        settings,
        job,
        credential: 'x',
        brokers: ['tcp://broker.test:5560'],
      })
    })
    await t.resolves(dryRun(server, secrets), 'their Secrets')

    await t.test('the check would see what is wrong', async (t) => {
      const job = jobs[0]!
      const flawed = structuredClone(job)
      flawed.spec!.template.spec!.hostNetwork = true
      await t.rejects(dryRun(server, [flawed]), {
        message: /violate PodSecurity "restricted:latest": host namespaces/,
      })
      await t.rejects(dryRun(server, [podOf(flawed)]), { message: /violates PodSecurity/ })
      const misspelt = { ...job, spec: { ...job.spec, suspended: true } }
      await t.rejects(dryRun(server, [misspelt]), { message: /unknown field "suspended"/ })
    })
  },
)
