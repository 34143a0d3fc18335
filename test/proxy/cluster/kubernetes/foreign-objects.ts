import type { ApiServer } from '../../../cluster/api-server.ts'
import { untilSettled } from '../../../cluster/namespace.ts'
import { jobOfOurs } from './job-of-ours.ts'

const labels = (instance: string) => ({
  'app.kubernetes.io/managed-by': 'rexec',
  'app.kubernetes.io/instance': instance,
  'rexec.dev/owner-hash': '2bd806c97f0e00af1a1fc3328fa763a9269723c8',
  'pod-security.kubernetes.io/enforce': 'restricted',
})
const annotations = { 'rexec.dev/owner': 'alice' }

const namespace = (name: string, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...metadata },
})
const secret = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'precious', namespace },
  stringData: { password: 'geheim' },
})
const account = (name: string, own: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace: 'rexec-alice', ...own },
})
const theirs = (namespace: string) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'theirs', namespace },
  spec: {
    suspend: true,
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } },
  },
})

/** Makes what attempts.ts is after, by the hand of an administrator. Resolves when nobody goes on writing to it. */
export async function makeForeignObjects(server: ApiServer): Promise<void> {
  const { apply, kubectl } = server
  const namespaces = [
    namespace('rexec-lab', { labels: labels('lab'), annotations }),
    namespace('rexec-unlabelled', { annotations }),
    namespace('rexec-ownerless', { labels: labels('rexec') }),
  ]
  const jobs = [...['team', 'rexec-lab', 'rexec-alice'].map(theirs), jobOfOurs('rexec-alice')]
  await apply(namespaces)
  await apply([
    ...['kube-system', 'rexec', 'team', 'rexec-alice'].map(secret),
    account('rexec', { labels: labels('rexec') }),
    account('theirs'),
    ...jobs,
  ])
  await untilSettled(server, ...namespaces.map(({ metadata }) => metadata.name))
  for (const { metadata } of jobs) {
    await kubectl(
      'wait',
      '--for=condition=Suspended',
      '--timeout=120s',
      '-n',
      metadata!.namespace!,
      `job/${metadata!.name}`,
    )
  }
}
