import t from 'tap'
import { Registry } from '../../../../common/metrics.ts'
import { serverLogs } from '../../../../proxy/cluster/kubernetes/logs.ts'
import {
  OWNER,
  OWNER_HASH,
  ownerHash,
  ownLabels,
  READY_PORT,
} from '../../../../proxy/cluster/kubernetes/names.ts'
import { watchServer } from '../../../../proxy/cluster/kubernetes/progress.ts'
import { createServerStore } from '../../../../proxy/cluster/kubernetes/store.ts'
import { nodeClusterMissing, startNodeCluster } from '../../../cluster/node/node.ts'
import { kubernetesSettings } from '../../../support/kubernetes.ts'
import { testApi } from '../../../support/kubernetes-cluster.ts'
import { collect } from '../../../support/local-cluster.ts'
import { keptLog } from '../../../support/log.ts'

const place = (name: string) => ({ namespace: 'rexec-alice', owner: 'alice', name })
const labels = ownLabels('rexec')
const STATE = `import json,signal,sys,time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def state(state, message): print(json.dumps({"event": "state", "state": state, "message": message}), flush=True)
`
/** None of these agents ever takes calls. */
const readinessProbe = { tcpSocket: { port: READY_PORT }, periodSeconds: 1 }
const FOR_EVER = '\nwhile True: time.sleep(0.1)'

t.test(
  'logs and progress of real pods',
  { skip: await nodeClusterMissing(), timeout: 280_000 },
  async (t) => {
    const cluster = await startNodeCluster(t)
    const image = Object.values(cluster.images.pythons)[0]!
    const api = testApi(t, cluster.kubeconfig)
    const settings = kubernetesSettings({ kubeconfig: cluster.kubeconfig })
    const store = createServerStore(api, settings, { logger: keptLog().logger, registry: new Registry() })
    t.teardown(() => store.close())
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: 'rexec-alice',
        labels: { ...labels, [OWNER_HASH]: ownerHash('alice') },
        annotations: { [OWNER]: 'alice' },
      },
    })
    await store.ready

    /** A server whose agent and worker are these programs. */
    async function start(name: string, programs: { agent?: string; worker: string }, spec: object = {}) {
      const container = (name: 'agent' | 'worker', program: string) => ({
        name,
        image,
        imagePullPolicy: 'Never',
        command: ['python3', '-uc', STATE + program],
      })
      const job = {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: {
          name: `rexec-${name}`,
          namespace: 'rexec-alice',
          labels,
          annotations: { [OWNER]: 'alice' },
        },
        spec: {
          completionMode: 'Indexed',
          completions: 1,
          parallelism: 1,
          backoffLimitPerIndex: 0,
          podReplacementPolicy: 'Failed',
          ...spec,
          template: {
            metadata: { labels },
            spec: {
              restartPolicy: 'Never',
              terminationGracePeriodSeconds: 3,
              initContainers: [
                {
                  ...container('agent', programs.agent ?? FOR_EVER),
                  restartPolicy: 'Always',
                  readinessProbe,
                },
              ],
              containers: [container('worker', programs.worker)],
            },
          },
        },
      }
      store.put(await api.create(job))
      store.proven({ name: 'rexec-alice', owner: 'alice' })
      return job
    }
    const never = new AbortController().signal
    const follow = (name: string, signal = never) =>
      serverLogs(api, store, place(name), { follow: true, signal })
    const past = (name: string) =>
      collect(serverLogs(api, store, place(name), { follow: false, signal: never }))

    t.test('followed from before there is a pod until it has ended; then read again', async (t) => {
      const job = await start(
        'talks',
        {
          agent: `state("starting", "hello")${FOR_EVER}`,
          worker: 'print("one")\ntime.sleep(1)\nprint("token=abcdefghijkl")\ntime.sleep(1)\nprint("three")',
        },
        { suspend: true },
      )
      t.same(await past('talks'), [], 'nothing yet')
      const lines = collect(follow('talks'))
      await api.patch(job, { spec: { suspend: false } })
      const expected = ['worker: one', 'worker: token=[redacted]', 'worker: three']
      const all = await lines
      t.same(
        all.filter((line) => line.startsWith('worker: ')),
        expected,
      )
      t.match(
        all.filter((line) => line.startsWith('agent: ')),
        [/^agent: \{"event": "state"/],
      )
      const again = await past('talks')
      t.same(again.slice(1), expected, 'in the order in which it was written')
      t.match(again[0], /^agent: /)
      await t.rejects(collect(serverLogs(api, store, place('nosuch'), { follow: true, signal: never })), {
        code: 'server_not_found',
      })
      await t.rejects(
        collect(serverLogs(api, store, { ...place('talks'), owner: 'bob' }, { follow: true, signal: never })),
        {
          code: 'server_not_found',
        },
      )
    })

    t.test('replicas are told apart', async (t) => {
      const worker = 'import os\nprint("I am", os.environ["JOB_COMPLETION_INDEX"])'
      await start('many', { worker }, { completions: 2, parallelism: 2 })
      const lines = await collect(follow('many'))
      t.same(lines.sort(), ['1 worker: I am 0', '2 worker: I am 1'])
    })

    t.test('a reader that goes ends what is read for it', async (t) => {
      await start('endless', {
        worker: 'number = 0\nwhile True:\n  print(number)\n  number += 1\n  time.sleep(0.05)',
      })
      for await (const line of follow('endless')) {
        t.equal(line, 'worker: 0')
        break
      }
      const abort = new AbortController()
      const seen: string[] = []
      for await (const line of follow('endless', abort.signal)) {
        seen.push(line)
        if (seen.length === 10) abort.abort()
      }
      t.equal(seen.length, 10)
      t.equal(seen.at(-1), 'worker: 9')
    })

    t.test('the API server is restarted in the middle: no line is lost or told twice', async (t) => {
      t.equal(store.get('rexec-alice', 'alice', 'endless')?.phase, 'installing')
      const abort = new AbortController()
      let expected = 0
      let restarted: Promise<void> | undefined
      let last = Number.POSITIVE_INFINITY
      for await (const line of follow('endless', abort.signal)) {
        if (line !== `worker: ${expected}`) t.fail(`${line} instead of ${expected}`)
        expected += 1
        if (expected === 20 && !cluster.given) {
          restarted = cluster.restartApi()
          void restarted.then(() => {
            last = expected + 100
          })
        }
        if (expected >= (cluster.given ? 40 : last)) abort.abort()
      }
      await restarted
      t.ok(expected > 20, `${expected} lines, each once`)
    })

    t.test('a function that prints for ever without a newline', async (t) => {
      await start('wide', {
        worker: 'while True:\n  sys.stdout.write("x" * 65536)\n  sys.stdout.flush()\n  time.sleep(0.01)',
      })
      let parts = 0
      for await (const line of follow('wide')) {
        t.ok(line.length <= 16_384 + 'worker: '.length)
        parts += 1
        if (parts === 3) break
      }
      await api.remove({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'rexec-wide', namespace: 'rexec-alice' },
      })
    })

    t.test('whoever watches sees what is being installed, and how it ends', async (t) => {
      await start('installs', {
        agent: `for step in range(100):
  state("installing", f"step {step} \\x1b[31mpassword=hunter22")
  time.sleep(0.2)${FOR_EVER}`,
        worker: 'time.sleep(4)\nsys.exit(7)',
      })
      const seen: string[] = []
      for await (const { phase, message } of watchServer(api, store, place('installs'), never)) {
        seen.push(`${phase} ${message}`)
      }
      const steps = seen.filter((line) => /^installing step \d+ password=\[redacted\]$/.test(line))
      t.ok(steps.length > 3, seen.join('\n'))
      t.match(seen.at(-1), /^failed The worker ended with exit code 7\..*\[worker_lost\]$/)
      await t.rejects(collect(watchServer(api, store, place('nosuch'), never)), { code: 'server_not_found' })
    })

    t.test('a server that is deleted while somebody watches and reads', async (t) => {
      const name = 'endless'
      const lines = collect(follow(name))
      const watched = collect(watchServer(api, store, place(name), never))
      await api.remove({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'rexec-endless', namespace: 'rexec-alice' },
      })
      const phases = (await watched).map(({ phase }) => phase)
      t.same(phases.slice(-2), ['stopping', 'stopped'])
      t.ok((await lines).length > 10, 'both come to their end')
    })
  },
)
