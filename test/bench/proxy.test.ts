import { execFile } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { KBATCH_VENV } from '../../bench/proxy/kbatch.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { ownApiServerMissing } from '../cluster/api-server.ts'

/** Whether each half works, with tiny counts: how fast anything is, no test asks. */
const script = join(import.meta.dirname, '..', '..', 'bench', 'proxy', 'run.ts')
const bench = (...args: string[]) => promisify(execFile)(process.execPath, [script, ...args])

const noCluster = (await ownApiServerMissing()) ?? false
const noKbatch = await ensureVenv(KBATCH_VENV.name, { packages: KBATCH_VENV.packages }).then(
  () => false as const,
  (error: Error) => error.message,
)

t.test(
  'submits of rexec and kbatch-proxy are measured on the same API server',
  {
    skip: noCluster || noKbatch,
  },
  async (t) => {
    const results = t.testdir()
    const { stdout } = await bench('--quick', '--only', 'submits', '--json', '--results', results)
    const { facts, submits, scale } = JSON.parse(stdout)
    t.match(facts, { commit: String, node: process.version })
    t.notOk(scale)
    t.same(
      submits.cases.map(({ concurrency }: { concurrency: number }) => concurrency),
      [1, 16],
    )
    for (const { contenders, ratios, parts, kubernetesCalls } of submits.cases) {
      t.same(Object.keys(contenders), ['bare Job', 'rexec', 'kbatch', 'kbatch with code'])
      for (const { perSecond, p50, p99 } of Object.values<Figures>(contenders)) {
        t.ok(perSecond.median > 0 && p50 > 0 && p50 <= p99)
      }
      t.ok(ratios.kbatch.median > 0)
      t.ok(kubernetesCalls >= 3, 'Job, Secret and the end of its suspension are told apart from our own time')
      t.ok(parts.kubernetes.p50 > 0 && parts.identity.p50 > 0 && parts.own.p50 > 0)
      t.ok(parts.kubernetes.p50 + parts.identity.p50 < contenders.rexec.p99)
    }
    const [kept] = readdirSync(results)
    t.match(kept, /^proxy-.*\.json$/)
  },
)

interface Figures {
  perSecond: { median: number }
  p50: number
  p99: number
}

t.test(
  'a proxy that knows many servers answers without a call to Kubernetes',
  { skip: noCluster },
  async (t) => {
    const { stdout } = await bench('--quick', '--only', 'scale', '--json', '--results', t.testdir())
    const { scale } = JSON.parse(stdout)
    t.match(scale, { users: 10, serversPerUser: 2, submit: { p50: Number } })
    t.equal(scale.populated.objects, 10 * (2 + 2 * 2))
    for (const get of [scale.gets.list, scale.gets.one]) {
      t.ok(get.p50 > 0 && get.perSecondOf16 > 0)
      t.equal(get.kubernetesCalls, 0)
    }
    for (const { rss, heap } of Object.values<{ rss: number; heap: number }>(scale.memoryMiB)) {
      t.ok(rss > heap && heap > 0)
    }
  },
)

t.test('a wrong option is answered with a sentence', async (t) => {
  const complaint = async (...args: string[]) => {
    const { code, stderr } = await bench(...args).catch((error) => error)
    t.equal(code, 2)
    return stderr
  }
  t.equal(await complaint('--only', 'stack'), '--only takes one of: submits, scale.\n')
  t.equal(await complaint('--rounds', 'many'), '--rounds takes a number from 1 on.\n')
})
