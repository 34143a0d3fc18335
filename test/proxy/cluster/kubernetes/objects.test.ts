import type { V1Job } from '@kubernetes/client-node'
import t from 'tap'
import {
  keptEvent,
  keptJob,
  keptNamespace,
  keptPod,
  keptPodEvent,
} from '../../../../proxy/cluster/kubernetes/objects.ts'

const big = 'x'.repeat(100_000)

t.test('nobody fills the memory by what may be written on an object', async (t) => {
  const metadata = {
    name: 'rexec-a',
    namespace: 'n',
    uid: 'u',
    resourceVersion: '7',
    labels: { 'rexec.dev/server': 'a', other: big },
    annotations: {
      'rexec.dev/owner': 'alice',
      'rexec.dev/nothing-of-ours': big,
      'batch.kubernetes.io/job-completion-index': '3',
      'example.org/note': big,
    },
    managedFields: [{ manager: big }],
  }
  const container = { name: 'worker', image: 'i', env: [{ name: 'X', value: big }], command: [big] }
  const terminated = { exitCode: 1, message: big }
  const conditions = [{ type: 'Ready', status: 'False', message: big }]
  const resources = {
    requests: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x.y/${i}`, '1'])),
  }
  const others = Array.from({ length: 100 }, (_, i) => ({ ...container, name: `${i}`, resources }))
  const containers = [{ ...container, resources }, ...others]
  const spec = { containers, nodeName: 'node1', volumes: [{ name: big }] }
  const status = {
    conditions,
    message: big,
    containerStatuses: [
      { name: 'worker', image: 'i', imageID: big, ready: false, restartCount: 0, state: { terminated } },
    ],
  }
  const size = (object: object) => JSON.stringify(object).length
  const pod = keptPod({ metadata, spec, status })
  t.ok(size(pod) < 14_000, `${size(pod)} characters of a pod`)
  t.match(pod, {
    metadata: { annotations: { 'batch.kubernetes.io/job-completion-index': '3' } },
    spec: { nodeName: 'node1' },
  })
  const job = keptJob({ metadata, spec: { template: { spec } } })
  t.ok(size(job) < 1000, `${size(job)} characters of a Job`)
  t.ok(size(keptNamespace({ metadata })) < 1000)
})

t.test('times are Dates, whoever the object came from', async (t) => {
  const time = '2026-11-21T12:00:00Z'
  const plain = { metadata: { creationTimestamp: time }, status: { startTime: time } } as unknown as V1Job
  for (const job of [plain, keptJob(plain)]) {
    t.same(keptJob(job).metadata!.creationTimestamp, new Date(time))
    t.same(keptJob(job).status!.startTime, new Date(time))
  }
})

t.test('of events only those count that say why a pod of a Job was not created', async (t) => {
  const metadata = { name: 'e', namespace: 'n', uid: 'u', resourceVersion: '7' }
  const event = { metadata, involvedObject: { kind: 'Job', uid: 'j' }, reason: 'FailedCreate', message: 'm' }
  t.equal(keptEvent({ ...event, reason: 'BackoffLimitExceeded' }), undefined)
  t.equal(keptEvent({ ...event, involvedObject: { kind: 'Pod', uid: 'j' } }), undefined)
  t.equal(keptEvent({ ...event, involvedObject: { kind: 'Job' } }), undefined)
  const first = '2026-11-21T12:00:00Z'
  const last = '2026-11-21T12:00:09Z'
  t.match(keptEvent({ ...event, firstTimestamp: first, lastTimestamp: last }), {
    job: 'j',
    message: 'm',
    first: new Date(first),
    last: new Date(last),
  })
  t.match(keptEvent({ ...event, eventTime: last }), { first: new Date(last), last: new Date(last) })
  t.match(keptEvent(event), { first: new Date(0) })
})

t.test('of events about pods only those that their status does not show', async (t) => {
  const metadata = { name: 'e', namespace: 'n', uid: 'u', resourceVersion: '7' }
  const event = { metadata, involvedObject: { kind: 'Pod', uid: 'p' }, reason: 'Evicted', message: 'm' }
  t.same(keptPodEvent(event), { metadata, pod: 'p', reason: 'Evicted', message: 'm', last: new Date(0) })
  t.ok(keptPodEvent({ ...event, reason: 'FailedMount' }))
  t.equal(keptPodEvent({ ...event, message: big })?.message.length, 4096)
  t.equal(keptPodEvent({ ...event, reason: 'Killing' }), undefined)
  t.equal(keptPodEvent({ ...event, involvedObject: { kind: 'Node', uid: 'p' } }), undefined)
})
