import t from 'tap'
import type { ErrorCode } from '../../../../common/errors.ts'
import { DESCRIPTION, VERDICT } from '../../../../proxy/cluster/kubernetes/names.ts'
import { judge, type Observed, toServerStatus } from '../../../../proxy/cluster/kubernetes/status.ts'
import type { Phase } from '../../../../proxy/pipeline.ts'
import { cpuTime } from '../../../support/cpu-time.ts'
import { bounds, recorded } from './recorded.ts'

const at = (observed: Observed) => judge(observed, bounds)
const seconds = ({ job }: Observed, time: number | undefined) =>
  time && (time - job.metadata!.creationTimestamp!.getTime()) / 1000

t.test('a server that goes its way', async (t) => {
  const ways: [name: string, phase: Phase, message: string][] = [
    ['suspended', 'pending', 'It is being created.'],
    ['installing', 'installing', 'Its packages are being installed.'],
    ['ready', 'ready', ''],
    ['unready', 'stopping', 'It is ending.'],
    ['idle', 'stopped', 'It had no call for 60 seconds.'],
    ['deadline-ending', 'stopping', 'Its life time of 4 seconds is over.'],
    ['deadline', 'stopped', 'Its life time of 4 seconds is over.'],
  ]
  for (const [name, phase, message] of ways) {
    const { lookAt, code, ...judgement } = at(recorded(name))
    t.same(judgement, { phase, message }, name)
    t.equal(code, name === 'deadline-ending' ? 'server_stopping' : undefined, 'whether it is known why')
  }
})

t.test('what fails at once, and what the user reads', async (t) => {
  /** `verdict`: Kubernetes would go on trying. */
  const failures: [name: string, code: ErrorCode, detail: string, verdict?: true][] = [
    ['oom', 'out_of_memory', 'The worker used more memory than its limit of 64Mi and was killed.'],
    [
      'agent-oom',
      'server_failed',
      'The agent beside the worker used more memory than its limit of 64Mi and was killed.',
    ],
    ['agent-crash', 'server_failed', 'The agent beside the worker ended with exit code 3.', true],
    [
      'exit',
      'worker_lost',
      'The worker ended with exit code 3. Its last words: "token=[redacted] no such file: data.csv".',
    ],
    ['signal', 'worker_lost', 'The worker was killed by SIGSEGV.'],
    ['no-python', 'python_missing', 'The image localhost/python:3.13 has no python3.'],
    ['install', 'install_failed', 'ERROR: No matching distribution found for nosuch==1'],
    ['volumefull', 'evicted', 'Its volume "home" held more than its limit of 10Mi.'],
    ['disk', 'evicted', 'It used more disk than its limit of 10Mi.'],
    ['drained', 'evicted', 'Its node node1 is being drained.'],
    ['lost', 'node_lost', 'Its node node1 stopped answering, or was cleared of pods by a taint.', true],
    [
      'image-name',
      'image_unavailable',
      'The image Python:3.12 has a name that is not one of an image.',
      true,
    ],
    [
      'never-pull',
      'image_unavailable',
      'The image localhost/nosuch:1 is not on the node, and its profile says that it is never pulled.',
      true,
    ],
    [
      'psa',
      'admission_refused',
      'The Pod Security Standard "restricted" of the namespace does not allow its pod: host namespaces (hostNetwork=true), allowPrivilegeEscalation != false',
      true,
    ],
    [
      'vap',
      'admission_refused',
      "Its pod may not be created: ValidatingAdmissionPolicy 'no-pods' with binding 'no-pods' denied request: images must come from registry.example.org.",
      true,
    ],
    [
      'limitrange',
      'admission_refused',
      'Its pod may not be created: maximum memory usage per Container is 10Mi, but limit is 64Mi.',
      true,
    ],
  ]
  for (const [name, code, detail, verdict] of failures) {
    const judgement = at(recorded(name))
    t.equal(judgement.phase, 'failed', name)
    t.equal(judgement.code, code, name)
    t.equal(judgement.message.slice(0, detail.length), detail, name)
    t.match(judgement.message, new RegExp(` \\[${code}\\]$`), name)
    t.same(judgement.verdict, verdict && { code, message: judgement.message }, name)
  }
})

t.test('what may get better is told at once and given up when its time is over', async (t) => {
  const waits: [
    name: string,
    phase: Phase,
    code: ErrorCode,
    after: [from: number, to: number],
    detail: string,
  ][] = [
    [
      'quota',
      'pending',
      'quota_exceeded',
      [3, 5],
      'The quota "rexec" of the namespace is exceeded (pods: 1 asked for, 0 of 0 used; requests.memory: 128Mi asked for, 0 of 100Mi used).',
    ],
    [
      'webhook',
      'pending',
      'admission_refused',
      [60, 62],
      'Its pod could not be created: Internal error occurred: failed calling webhook "check.example.org"',
    ],
    [
      'memory',
      'pending',
      'unschedulable',
      [300, 302],
      'No node can take it (1 of 1 with too little cpu free, 1 of 1 with too little memory free). It asks for 2.01 cores, 1Gi of disk, 900.1Gi of memory.',
    ],
    [
      'gpu',
      'pending',
      'unschedulable',
      [300, 302],
      'No node can take it (1 of 1 with too little nvidia.com/gpu free). It asks for 1 nvidia.com/gpu, 0.01 cores, 64Mi of memory.',
    ],
    [
      'selector',
      'pending',
      'unschedulable',
      [300, 302],
      'No node can take it (1 of 1 not of the node pool of the profile).',
    ],
    [
      'claim',
      'pending',
      'server_failed',
      [300, 302],
      'The volume claim "data" of its profile does not exist in your namespace.',
    ],
    [
      'gates',
      'pending',
      'server_start_timeout',
      [1800, 1802],
      'A scheduling gate of the cluster holds it back.',
    ],
    [
      'config',
      'starting',
      'server_failed',
      [60, 65],
      'The container of its worker cannot be created: secret "nosuch" not found.',
    ],
    [
      'pull-backoff',
      'starting',
      'image_unavailable',
      [60, 65],
      'The image registry.invalid/python:3.12 cannot be pulled: its registry does not answer.',
    ],
    [
      'pull-refused',
      'starting',
      'image_unavailable',
      [60, 65],
      'The image 127.0.0.1:9/python:3.12 cannot be pulled: its registry does not answer.',
    ],
    [
      'pull-missing',
      'starting',
      'image_unavailable',
      [60, 65],
      'The image 127.0.0.1:5000/python:nosuch does not exist.',
    ],
    [
      'pull-unauthorized',
      'starting',
      'image_unavailable',
      [60, 65],
      'The image 127.0.0.1:5000/private:1 does not exist, or needs a pull secret.',
    ],
    [
      'pull-agent',
      'starting',
      'image_unavailable',
      [60, 65],
      'The image registry.invalid/rexec:1 cannot be pulled: its registry does not answer.',
    ],
    ['installing', 'installing', 'server_start_timeout', [1800, 1802], 'Its packages are being installed.'],
  ]
  for (const [name, phase, code, [from, to], detail] of waits) {
    const early = recorded(name, 1)
    const first = at(early)
    t.equal(first.phase, phase, name)
    t.equal(first.message.slice(0, detail.length), detail, name)
    t.notOk(first.verdict, name)
    const look = seconds(early, first.lookAt)!
    t.ok(look >= from && look <= to, `${name}: until ${look} s`)

    t.equal(at({ ...early, now: first.lookAt! - 1 }).phase, phase, name)
    const late = at({ ...early, now: first.lookAt! })
    t.match(late, { phase: 'failed', code, verdict: { code, message: late.message } }, name)
    t.ok(late.message.includes(detail), name)
  }
})

t.test('an interrupted start', async (t) => {
  t.match(at(recorded('suspended', 59)), { phase: 'pending', lookAt: recorded('suspended', 60).now })
  const { verdict, ...late } = at(recorded('suspended', 60))
  t.match(late, { phase: 'failed', code: 'start_interrupted' })
  t.notOk(verdict, 'nothing of it runs: it is for the reconciler to clear away')
})

t.test('replicas: the best counts, and those lost are told', async (t) => {
  const observed = recorded('replicas')
  t.match(at(observed), {
    phase: 'ready',
    message: /^1 of 3 replicas failed: The worker ended with exit code 3\./,
    code: undefined,
    verdict: undefined,
  })
  const gone = { ...observed, pods: observed.pods.filter(({ status }) => status?.phase !== 'Failed') }
  t.match(at(gone), { phase: 'ready', message: /^1 of 3 replicas failed: Its pod has failed and is gone\./ })
  const older = structuredClone(observed.pods.find(({ status }) => status?.phase === 'Failed')!)
  older.metadata!.annotations!['batch.kubernetes.io/job-completion-index'] = '0'
  older.metadata!.creationTimestamp = new Date(0)
  t.match(
    at({ ...observed, pods: [...observed.pods, older] }).message,
    /^1 of 3 /,
    'a replaced pod does not count',
  )
})

t.test('a Job that is deleted is stopping, whatever else is known of it', async (t) => {
  for (const name of ['ready', 'oom', 'suspended', 'quota', 'deadline']) {
    const observed = structuredClone(recorded(name, 4000))
    observed.job.metadata!.deletionTimestamp = new Date()
    const stopping = { phase: 'stopping', message: 'It is being stopped.', code: 'server_stopping' }
    t.same(at(observed), stopping, name)
  }
})

t.test('a verdict stands, even when the pod comes alive', async (t) => {
  const observed = structuredClone(recorded('ready'))
  const annotations = observed.job.metadata!.annotations!
  annotations[VERDICT] = JSON.stringify(at(recorded('memory', 400)).verdict)
  t.match(at(observed), {
    phase: 'failed',
    code: 'unschedulable',
    message: /^No node can take it .*\[unschedulable\]$/,
  })
  t.notOk(at(observed).verdict)

  for (const text of ['', '{', 'null', '7', '{"code":"__proto__","message":{"a":1}}', '{"code":"nosuch"}']) {
    annotations[VERDICT] = text
    const { phase, code, message } = at(observed)
    t.same([phase, code], ['failed', 'server_failed'], `written by somebody else: ${text}`)
    t.match(message, /\[server_failed\]$/)
  }
  annotations[VERDICT] = JSON.stringify({
    code: 'evicted',
    message: `\u001b[2Jtoken=abcdefghi ${'x'.repeat(9000)}`,
  })
  t.match(at(observed).message, /^token=\[redacted\] x+… The cluster took/, 'and shown without tricks')
  t.ok(at(observed).message.length < 2200)
})

t.test('a warning about a pod that could not be created is old news once there are pods', async (t) => {
  const quota = recorded('quota')
  const running = recorded('ready')
  const { job } = running
  const events = quota.events.map((event) => ({ ...event, job: job.metadata!.uid! }))
  t.equal(at({ ...running, events }).phase, 'ready')
  t.match(
    at({ ...running, pods: [], events }),
    { phase: 'pending', verdict: undefined },
    'also if they are not seen yet',
  )
  const three = structuredClone(job)
  three.spec!.completions = 3
  const { phase, message, verdict } = at({ ...running, job: three, events, now: running.now + 60_000 })
  t.equal(phase, 'ready')
  t.match(message, /^2 of 3 replicas failed: The quota /)
  t.notOk(verdict)
})

t.test('a Job that is over before its pods are seen to be', async (t) => {
  const observed = structuredClone(recorded('exit'))
  const running = recorded('ready').pods
  const over = observed.now
  observed.job.status!.conditions = [
    {
      type: 'Failed',
      status: 'True',
      reason: 'FailedIndexes',
      message: 'Job has failed indexes',
      lastTransitionTime: new Date(over),
    },
  ]
  t.match(at({ ...observed, pods: running, now: over }), { phase: 'stopping', lookAt: over + 3000 })
  t.match(at({ ...observed, pods: running, now: over + 3000 }), { phase: 'failed', code: 'server_failed' })
  t.match(at(observed), { phase: 'failed', code: 'worker_lost', verdict: undefined })
  t.match(at({ ...observed, pods: [] }).message, /^Its pod has failed and is gone|^Job has failed indexes\./)
})

t.test('a node that does not answer', async (t) => {
  const observed = structuredClone(recorded('lost'))
  const { metadata, status } = observed.pods[0]!
  delete metadata!.deletionTimestamp
  status!.conditions = status!.conditions!.filter(({ type }) => type !== 'DisruptionTarget')
  t.match(at(observed), { phase: 'stopping', message: 'Its node node1 does not answer.', code: 'node_lost' })
})

t.test('what the agent or the worker leaves behind is shown without tricks', async (t) => {
  const last = (text: string) => {
    const observed = structuredClone(recorded('install'))
    const agent = observed.pods[0]!.status!.initContainerStatuses![0]!
    agent.state = { terminated: { exitCode: 0, message: text } }
    return at(observed)
  }
  const hostile = JSON.stringify({
    state: 'failed',
    code: 'toString',
    message: `\u202e\u001b]0;x\u0007password=hunter22 ${'y'.repeat(5000)}`,
  })
  t.match(last(hostile), { code: 'server_failed', message: /^\]0;xpassword=\[redacted\] y+…/ })
  for (const text of ['', '{', '[]', 'null', '{"state":"ready"}', '{"state":"failed","message":null}']) {
    t.equal(last(text).phase, 'failed', text)
  }
})

t.test('the status of a server whose annotation somebody has changed', async (t) => {
  const { job } = recorded('ready')
  const judgement = { phase: 'ready', message: '' } as const
  job.metadata!.name = 'rexec-my-server'
  job.metadata!.annotations![DESCRIPTION] = '{"profile": "gpu", "digest": 7}'
  const status = toServerStatus(job, judgement, 'alice')
  t.match(status, {
    name: 'my-server',
    user: 'alice',
    phase: 'ready',
    profile: '',
    digest: '',
    requirements: [],
  })
  t.equal(status.createdAt, job.metadata!.creationTimestamp!.toISOString())
  t.notOk('code' in status)
})

t.test('a Job that is not of our making costs no more than ours', async (t) => {
  const observed = structuredClone(recorded('ready'))
  for (const completions of [1e9, -1, 0, undefined]) {
    observed.job.spec!.completions = completions as number
    t.ok(at(observed).phase, `${completions} replicas`)
  }
})

t.test('a Job of a user who wants a look at it to take long', async (t) => {
  const { job, events, now } = structuredClone(recorded('quota'))
  job.spec!.completions = 1e9
  const date = (ago: number) => new Date(now - ago)
  const message = 'exceeded quota: a, requested: '.repeat(60) + ', used: '.repeat(280)
  const many = Array.from({ length: 500 }, (_, i) => ({
    ...events[0]!,
    message,
    first: date(i),
    last: date(i),
  }))
  const podEvents = many.map(({ metadata, last }) => ({
    metadata,
    pod: 'p',
    reason: 'FailedMount',
    message,
    last,
  }))
  const pod = structuredClone(recorded('ready').pods[0]!)
  pod.status!.phase = 'Succeeded'
  pod.metadata!.annotations!['batch.kubernetes.io/job-completion-index'] = '7777'
  // It takes 4 ms, and took seconds.
  const spent = cpuTime(() =>
    judge({ job, pods: Array(10_000).fill(pod), events: many, podEvents, now }, bounds),
  )
  t.ok(spent < 500, `${spent} ms`)
  const { phase } = judge({ ...recorded('ready'), pods: [pod], now }, bounds)
  t.equal(phase, 'pending', 'a pod that counts for no replica')
})

t.test('an agent that crashes beside a worker that waits for it', async (t) => {
  const crash = { exitCode: 1, reason: 'Error', message: 'no such setting' }
  const said = 'The agent beside the worker ended with exit code 1. Its last words: "no such setting".'
  const unknown = { exitCode: 137, reason: 'ContainerStatusUnknown', message: 'could not be located' }
  const observed = (agent: object, worker: object, status = {}) => {
    const { pods, ...rest } = recorded('agent-crash')
    const [pod] = pods
    const initContainerStatuses = [{ name: 'agent', lastState: { terminated: crash }, ...agent }]
    const containerStatuses = [{ name: 'worker', ...worker }]
    return {
      ...rest,
      pods: [{ ...pod!, status: { ...pod!.status, ...status, initContainerStatuses, containerStatuses } }],
    } as unknown as Observed // statuses with no more than is read
  }
  const waiting = { state: { waiting: { reason: 'CrashLoopBackOff' } } }
  const running = { state: { running: { startedAt: new Date(0) } } }
  t.match(at(observed({ ...waiting, restartCount: 1 }, running)), { phase: 'starting', message: said })
  t.match(at(observed({ ...waiting, restartCount: 3 }, running)), { phase: 'failed', code: 'server_failed' })
  t.match(
    at(
      observed(
        { state: { terminated: unknown } },
        { state: { terminated: { exitCode: 1 } } },
        { phase: 'Failed' },
      ),
    ),
    { phase: 'failed', message: new RegExp(`^${said}`) },
    'how it ended, not that nobody saw it end once more',
  )
})
