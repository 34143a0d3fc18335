import t from 'tap'
import { describe } from '../../../../proxy/cluster/kubernetes/description.ts'
import { buildJob } from '../../../../proxy/cluster/kubernetes/job.ts'
import { ownerHash } from '../../../../proxy/cluster/kubernetes/names.ts'
import { approvedServer, kubernetesSettings } from '../../../support/kubernetes.ts'

const namespace = { name: 'rexec-alice-x', owner: 'alice' }

t.test('a Job as it goes to the API server, its pods apart', async (t) => {
  const server = approvedServer(
    { name: 'big', replicas: 3, lifetimeSeconds: 600 },
    { profile: { replicas: { max: 4 } } },
  )
  const settings = kubernetesSettings({
    instance: 'lab',
    keepSeconds: 100,
    drainSeconds: 7,
    readySeconds: 50,
  })
  const job = buildJob(server, { namespace, settings })
  const { template, ...spec } = job.spec!
  const labels = {
    'app.kubernetes.io/managed-by': 'rexec',
    'app.kubernetes.io/instance': 'lab',
    'rexec.dev/server': 'big',
    'rexec.dev/owner-hash': ownerHash('alice'),
  }
  t.same(
    { ...job, spec },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: 'rexec-big',
        namespace: 'rexec-alice-x',
        labels,
        annotations: { 'rexec.dev/owner': 'alice', 'rexec.dev/description': describe(server) },
      },
      spec: {
        suspend: true,
        completionMode: 'Indexed',
        completions: 3,
        parallelism: 3,
        backoffLimitPerIndex: 0,
        podReplacementPolicy: 'Failed',
        activeDeadlineSeconds: 600 + 50 + 7 + 60,
        ttlSecondsAfterFinished: 100,
      },
    },
  )
  t.same(template.metadata, { labels, annotations: {} })
})

t.test('labels of a profile stand beside ours and never in their place', async (t) => {
  const pod = { labels: { team: 'a' }, annotations: { note: 'b' } }
  const server = approvedServer({}, { profile: { pod } })
  const { metadata } = buildJob(server, { namespace, settings: kubernetesSettings() }).spec!.template
  t.match(metadata, { labels: { team: 'a', 'rexec.dev/server': 'default' }, annotations: { note: 'b' } })
})

t.test('the owner is that of the namespace, exactly as it is called', async (t) => {
  const owner = 'Zoë "the\tuser" <zoë@example.org>'
  const job = buildJob(approvedServer(), {
    namespace: { name: 'rexec-zoe', owner },
    settings: kubernetesSettings(),
  })
  t.equal(job.metadata!.annotations!['rexec.dev/owner'], owner)
  t.match(job.metadata!.labels!['rexec.dev/owner-hash'], /^[0-9a-f]{40}$/)
})
