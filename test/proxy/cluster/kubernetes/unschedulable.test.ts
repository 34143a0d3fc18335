import t from 'tap'
import { unschedulable } from '../../../../proxy/cluster/kubernetes/unschedulable.ts'

const pod = {
  spec: {
    nodeName: 'node7',
    containers: [{ name: 'worker', resources: { requests: { cpu: '1', memory: '8Gi' } } }],
  },
}

t.test('why no node can take a pod', async (t) => {
  const said: [message: string, detail: string][] = [
    [
      '0/4 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 1 node(s) were unschedulable, 2 Insufficient memory. preemption: 0/4 nodes are available: 2 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.',
      'No node can take it (1 of 4 kept for other work (taint dedicated: gpu), 1 of 4 closed for new pods, 2 of 4 with too little memory free). It asks for 1 core, 8Gi of memory.',
    ],
    [
      '0/3 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 1 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.',
      'No node can take it (1 of 3 with no room for one more pod, 1 of 3 not answering, 1 of 3 short of disk). It asks for 1 core, 8Gi of memory.',
    ],
    [
      '0/1 nodes are available: 1 node(s) had volume node affinity conflict.',
      'No node can take it (1 of 1 from which its volume cannot be reached). It asks for 1 core, 8Gi of memory.',
    ],
    [
      '0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.',
      'No node can take it (a volume claim of its profile has no volume yet). It asks for 1 core, 8Gi of memory.',
    ],
    ['no nodes available to schedule pods', 'The cluster has no nodes. It asks for 1 core, 8Gi of memory.'],
    ['something new', 'It finds no place: something new.'],
    ['', 'It finds no place:.'],
  ]
  for (const [message, detail] of said) t.equal(unschedulable(message, pod).detail, detail)
})
