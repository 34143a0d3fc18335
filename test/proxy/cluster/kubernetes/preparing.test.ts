import type { V1Pod } from '@kubernetes/client-node'
import t from 'tap'
import type { PodEvent } from '../../../../proxy/cluster/kubernetes/objects.ts'
import { preparationTrouble } from '../../../../proxy/cluster/kubernetes/preparing.ts'
import { judge, type Observed } from '../../../../proxy/cluster/kubernetes/status.ts'
import { bounds, recorded } from './recorded.ts'

const pod: V1Pod = { metadata: { uid: 'p' }, spec: { nodeName: 'node7', containers: [] } }
const event = (reason: string, message: string, seconds = 0): PodEvent => ({
  metadata: {},
  pod: 'p',
  reason,
  message,
  last: new Date(seconds * 1000),
})

t.test('why the containers of a pod cannot be made', async (t) => {
  const said: [reason: string, message: string, detail: string][] = [
    [
      'FailedMount',
      'MountVolume.NewMounter initialization failed for volume "data" : path "/mnt/nosuch" does not exist',
      'Its volume "data" cannot be mounted: path "/mnt/nosuch" does not exist.',
    ],
    [
      'FailedMount',
      'MountVolume.SetUp failed for volume "home" : mount failed: exit status 32\nMounting command: mount\nOutput: mount.nfs: Connection timed out\n',
      'Its volume "home" cannot be mounted: mount failed: exit status 32 Mounting command: mount Output: mount.nfs: Connection timed out.',
    ],
    [
      'FailedMount',
      'Unable to attach or mount volumes: unmounted volumes=[home], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition',
      'Its volumes cannot be mounted: Unable to attach or mount volumes: unmounted volumes=[home], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition.',
    ],
    [
      'FailedAttachVolume',
      'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) rexec-old-0-abcde',
      'Its volume "pvc-1" is in use on another node by rexec-old-0-abcde, and can be on one node at a time.',
    ],
    [
      'FailedAttachVolume',
      'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t be attached to another',
      'Its volume "pvc-1" is in use on another node, and can be on one node at a time.',
    ],
    [
      'FailedAttachVolume',
      'AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = NotFound desc = disk is gone',
      'Its volume "pvc-1" cannot be attached: rpc error: code = NotFound desc = disk is gone.',
    ],
    [
      'FailedCreatePodSandBox',
      `Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "${'0a'.repeat(32)}": plugin type="cilium-cni" failed (add): no addresses left`,
      'Its node node7 cannot give it a network: failed to setup network: plugin type="cilium-cni" failed (add): no addresses left.',
    ],
    [
      'FailedCreatePodSandBox',
      'Failed to create pod sandbox: rpc error: code = Unknown desc = no runtime for "gvisor" is configured',
      'Its node node7 cannot give it what it needs to run: no runtime for "gvisor" is configured.',
    ],
    [
      'NetworkNotReady',
      'network is not ready: container runtime network not ready: NetworkReady=false',
      'The network of its node node7 is not ready.',
    ],
  ]
  for (const [reason, message, detail] of said)
    t.same(preparationTrouble(pod, [event(reason, message)]), { code: 'server_failed', detail })
  t.equal(preparationTrouble(pod, [event('Evicted', 'x')]), undefined)
  t.equal(preparationTrouble(pod, []), undefined)
})

t.test(
  'of several the newest counts, and one that names the cause more than one that does not',
  async (t) => {
    const mount = event('FailedMount', 'MountVolume.SetUp failed for volume "a" : no', 1)
    const later = event('NetworkNotReady', '', 2)
    const generic = event('FailedMount', 'Unable to attach or mount volumes: timed out', 3)
    t.match(preparationTrouble(pod, [generic, mount]), { detail: /"a"/ })
    t.match(preparationTrouble(pod, [mount, later, generic]), { detail: /network/ })
    const then = event('NetworkNotReady', '', 1)
    t.match(preparationTrouble(pod, [mount, then]), { detail: /network/ }, 'in the same second')
  },
)

t.test('a secret in what a storage driver says is not shown', async (t) => {
  const message = 'MountVolume.SetUp failed for volume "a" : mount -o password=hunter22 \u001b[2Jfailed'
  const detail = 'Its volume "a" cannot be mounted: mount -o password=[redacted] failed.'
  t.match(preparationTrouble(pod, [event('FailedMount', message)]), { detail })
})

/** A pod on its node as the kubelet shows it before there is a container. */
function preparing(seconds: number, prepared = 'False'): Observed {
  const observed = structuredClone(recorded('installing', seconds))
  const { status, metadata } = observed.pods[0]!
  status!.phase = 'Pending'
  status!.conditions!.push({ type: 'PodReadyToStartContainers', status: prepared })
  const waiting = { waiting: { reason: 'PodInitializing' } }
  for (const one of [...status!.containerStatuses!, ...status!.initContainerStatuses!]) one.state = waiting
  const failure = event('FailedMount', 'MountVolume.SetUp failed for volume "data" : it is not there')
  return { ...observed, podEvents: [{ ...failure, pod: metadata!.uid! }, event('FailedMount', 'of another')] }
}

t.test('it is told at once, and given up when its time is over', async (t) => {
  const message = 'Its volume "data" cannot be mounted: it is not there.'
  const early = preparing(1)
  const state = judge(early, bounds)
  t.match(state, { phase: 'starting', message, code: undefined, verdict: undefined })
  t.equal(state.lookAt, early.pods[0]!.status!.startTime!.getTime() + bounds.unschedulableSeconds * 1000)
  t.match(judge(preparing(bounds.unschedulableSeconds), bounds), {
    phase: 'failed',
    code: 'server_failed',
    verdict: { code: 'server_failed' },
  })
})

t.test('once the pod is prepared, an older warning means nothing any more', async (t) => {
  t.match(judge(preparing(400, 'True'), bounds), {
    phase: 'starting',
    message: 'Its containers are being created.',
  })
  t.match(judge({ ...recorded('ready'), podEvents: preparing(1).podEvents }, bounds), { phase: 'ready' })
})
