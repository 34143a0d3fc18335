import t from 'tap'
import { imageTrouble, refusal, takenAway, workerEnd } from '../../../../proxy/cluster/kubernetes/reasons.ts'

const pod = {
  spec: {
    nodeName: 'node7',
    containers: [{ name: 'worker', resources: { requests: { cpu: '1', memory: '8Gi' } } }],
  },
}

t.test('why an image cannot be pulled', async (t) => {
  const said: [message: string, why: RegExp][] = [
    [
      'failed to resolve reference "docker.io/library/x:1": docker.io/library/x:1: not found',
      /does not exist\.$/,
    ],
    ['pull access denied, repository does not exist or may require authorization', /needs a pull secret\.$/],
    ['unexpected status code 429 Too Many Requests', /limits the number of pulls\.$/],
    ['tls: failed to verify certificate: x509: certificate signed by unknown authority', /is not trusted\.$/],
    ['dial tcp 10.0.0.1:443: i/o timeout', /its registry does not answer\.$/],
    ['no match for platform in manifest: not found', /processors of the node\.$/],
    ['write /var/lib/x: no space left on device', /disk of the node\.$/],
    ['Back-off pulling image "x"', /cannot be pulled \(Back-off pulling image "x"\)\.$/],
    ['', /cannot be pulled\.$/],
    ['Get "https://user:hunter22@r.example/v2/": odd', /https:\/\/\[redacted\]@r\.example/],
  ]
  for (const [message, why] of said) {
    const trouble = imageTrouble('x:1', { reason: 'ImagePullBackOff', message })
    t.match(trouble, { code: 'image_unavailable', final: false })
    t.match(trouble!.detail, why)
  }
  t.equal(imageTrouble('x:1', { reason: 'ContainerCreating' }), undefined)
  t.equal(imageTrouble('x:1', {}), undefined)
})

t.test('why a pod was not created', async (t) => {
  const said: [message: string, kind: string, code: string][] = [
    [
      'pods "x" is forbidden: failed quota: rexec: must specify limits.memory for: worker',
      'quota',
      'quota_exceeded',
    ],
    ['admission webhook "validate.kyverno.svc" denied the request: no', 'policy', 'admission_refused'],
    ['pods "x" is forbidden: no PriorityClass with name y was found', 'policy', 'admission_refused'],
    ['pods "x" is forbidden: pod rejected: RuntimeClass "gvisor" not found', 'policy', 'admission_refused'],
    ['Pod "x" is invalid: spec.containers[0].image: Required value', 'policy', 'admission_refused'],
    [
      'pods "x" is forbidden: error looking up service account a/rexec: serviceaccount "rexec" not found',
      'other',
      'admission_refused',
    ],
    ['etcdserver: request timed out', 'other', 'server_failed'],
    ['', 'other', 'server_failed'],
  ]
  for (const [message, kind, code] of said)
    t.match(refusal(`Error creating: ${message}`), { kind, code }, message)
})

t.test('how a worker ended', async (t) => {
  t.match(
    workerEnd({ exitCode: 137 }, pod)?.detail,
    /was killed by SIGKILL, perhaps because memory had run out\./,
  )
  t.match(workerEnd({ exitCode: 0, signal: 15 }, pod), undefined)
  t.match(workerEnd({ exitCode: 255 }, pod)?.detail, /ended with exit code 255/)
  t.match(
    workerEnd({ exitCode: 137, reason: 'ContainerStatusUnknown' }, pod)?.detail,
    /its node did not answer/,
  )
  const many = workerEnd({ exitCode: 1, message: 'x\n'.repeat(5000) }, pod)!
  t.ok(many.detail.length < 600, 'long last words are cut')
  t.notMatch(many.detail, /\n/)
})

t.test('what took a pod away', async (t) => {
  const ended = (status: object) => takenAway({ ...pod, status })
  const disrupted = (reason: string, message = '') =>
    ended({ conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message }] })
  const evicted = (message: string) => ended({ phase: 'Failed', reason: 'Evicted', message })?.detail
  t.equal(
    evicted('Usage of EmptyDir volume "tmp" exceeds the limit "104857600". '),
    'Its volume "tmp" held more than its limit of 100Mi.',
  )
  t.match(disrupted('PreemptionByScheduler'), {
    code: 'evicted',
    detail: /node node7 for a pod of higher priority/,
  })
  t.match(disrupted('DeletionByPodGC'), { code: 'node_lost', detail: 'Its node node7 is gone.' })
  t.match(disrupted('New', 'for some reason'), { code: 'evicted', detail: 'for some reason.' })
  t.match(
    ended({ reason: 'Terminated', message: 'Pod was terminated in response to imminent node shutdown.' }),
    {
      code: 'evicted',
      detail: 'Its node node7 was shut down.',
    },
  )
  t.match(ended({ reason: 'OutOfcpu', message: "Node didn't have enough resource: cpu" }), {
    code: 'unschedulable',
  })
  t.match(ended({ reason: 'NodeLost' }), { code: 'node_lost' })
  t.equal(ended({ phase: 'Failed' }), undefined)
  t.equal(
    evicted('Container worker exceeded its local ephemeral storage limit "4Gi". '),
    'Its worker used more disk than its limit of 4Gi.',
  )
  t.match(
    evicted('The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. '),
    /^Its node ran low on memory\. Threshold quantity: 100Mi, available: 50Mi\.$/,
  )
})
