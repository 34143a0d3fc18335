import type { V1Job, V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import { containersOf } from '../../../../proxy/cluster/kubernetes/container-log.ts'
import { COMPLETION_INDEX } from '../../../../proxy/cluster/kubernetes/names.ts'

const job = (completions: number): V1Job => ({
  metadata: { name: 'rexec-a' },
  spec: { completions, template: {} },
})
const pod = (index: number | string): V1Pod => ({
  metadata: { name: `pod-${index}`, annotations: { [COMPLETION_INDEX]: `${index}` } },
})

t.test('both containers of each replica, in their order', async (t) => {
  t.same(
    containersOf(job(2), [pod(1), pod(0)]).map(({ pod, container, label }) => [
      pod.metadata!.name,
      container,
      label,
    ]),
    [
      ['pod-0', 'agent', '1 '],
      ['pod-0', 'worker', '1 '],
      ['pod-1', 'agent', '2 '],
      ['pod-1', 'worker', '2 '],
    ],
  )
  t.same(
    containersOf(job(1), [pod(0)]).map(({ label }) => label),
    ['', ''],
  )
})

t.test('a user makes thousands of pods for a Job, to fill the proxy with connections', async (t) => {
  const pods = Array.from({ length: 5000 }, (_, index) => pod(index))
  t.equal(containersOf(job(5000), pods).length, 200)
  t.equal(containersOf(job(2), pods).length, 4, 'and none beyond the replicas that there are')
  t.same(containersOf(job(2), [pod(-1), pod('x'), pod(1e99), pod('__proto__')]), [])
})
