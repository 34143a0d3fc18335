/**
 * `npm run bench:proxy`: submits beside kbatch-proxy on one real API server, and a proxy that knows many servers;
 * docs/developer/performance.md says how to read it.
 *
 *   --only submits|scale  one half
 *   --quick               tiny counts, one round: whether it works, not how fast
 *   --rounds N            rounds that count (default 5)
 *   --cpu-profile         also a .cpuprofile of rexec's proxy in each half, for the viewers of Chrome and VS Code
 *   --json                the result on stdout instead of tables
 *   --results FOLDER      where the result is kept as JSON (default bench/results)
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Problem } from '../../bin/problem.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { ownApiServerMissing } from '../../test/cluster/api-server.ts'
import { OwnApiServer } from '../../test/cluster/own-api-server.ts'
import { kubernetesTools } from '../../test/cluster/tools.ts'
import { type Facts, machineFacts } from '../facts.ts'
import { keep } from '../keep.ts'
import { runProgram, say } from '../program.ts'
import { startFakeHub } from './fake-hub.ts'
import { KBATCH_VENV, startKbatch } from './kbatch.ts'
import { type Kube, openKube, writeSmallKubeconfig } from './kube.ts'
import type { Size } from './population.ts'
import { startRexecProxy } from './rexec.ts'
import { measureScale, type ScaleResult, scaleTable } from './scale.ts'
import { measureSubmits, type SubmitResult, submitTable } from './submits.ts'

const HALVES = ['submits', 'scale']

interface Counts {
  /** Of each contender in each round. */
  submits: number
  size: Size
  gets: number
}

const FULL: Counts = { submits: 100, size: { users: 1000, serversPerUser: 5 }, gets: 1000 }
const QUICK: Counts = { submits: 16, size: { users: 10, serversPerUser: 2 }, gets: 20 }

interface Result {
  facts: Facts
  submits?: SubmitResult
  scale?: ScaleResult
}

await runProgram(async () => {
  const { values: options } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      'cpu-profile': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      results: { type: 'string', default: join(import.meta.dirname, '..', 'results') },
    },
  })
  if (options.only && !HALVES.includes(options.only)) {
    throw new Problem(`--only takes one of: ${HALVES.join(', ')}.`, 2)
  }
  const rounds = options.quick ? 1 : Number(options.rounds)
  if (!(rounds >= 1)) throw new Problem('--rounds takes a number from 1 on.', 2)
  const missing = await ownApiServerMissing(say)
  if (missing) throw new Problem(missing)

  const counts = options.quick ? QUICK : FULL
  const result: Result = { facts: await machineFacts() }
  const flags = (half: string) =>
    options['cpu-profile']
      ? ['--cpu-prof', `--cpu-prof-dir=${options.results}`, `--cpu-prof-name=proxy-${half}.cpuprofile`]
      : []
  if (options.only !== 'scale') {
    const python = await ensureVenv(KBATCH_VENV.name, { packages: KBATCH_VENV.packages, onLine: say })
    result.submits = await withCluster((cluster) =>
      submits(cluster, python, {
        rounds,
        submits: counts.submits,
        flags: flags('submits'),
      }),
    )
  }
  if (options.only !== 'submits') {
    result.scale = await withCluster(({ kube, kubeconfig, hubApiUrl }) =>
      measureScale(kube, () => startRexecProxy(kubeconfig, hubApiUrl, flags('scale')), { ...counts, say }),
    )
  }
  const json = JSON.stringify(result, null, 2)
  console.log(options.json ? json : tables(result))
  say(`kept as ${await keep(options.results, json, result.facts.date, 'proxy-')}`)
})

interface Cluster {
  kube: Kube
  kubeconfig: string
  folder: string
  hubApiUrl: string
}

/** Each half has a cluster of its own, so that neither finds what the other has left. */
async function withCluster<T>(measure: (cluster: Cluster) => Promise<T>): Promise<T> {
  const server = await OwnApiServer.start(await kubernetesTools(say))
  const hub = await startFakeHub()
  const kube = await openKube(server.kubeconfig)
  try {
    const { kubeconfig, folder } = server
    return await measure({ kube, kubeconfig, folder, hubApiUrl: hub.apiUrl })
  } finally {
    kube.http.close()
    await hub.close()
    await server.stop()
  }
}

async function submits(
  { kube, kubeconfig, folder, hubApiUrl }: Cluster,
  python: string,
  { rounds, submits, flags }: { rounds: number; submits: number; flags: string[] },
): Promise<SubmitResult> {
  const rexec = await startRexecProxy(kubeconfig, hubApiUrl, flags)
  try {
    const kbatch = await startKbatch(python, await writeSmallKubeconfig(kubeconfig, folder), hubApiUrl)
    try {
      return await measureSubmits({ kube, rexec, kbatch }, { rounds, submits, say })
    } finally {
      await kbatch.close()
    }
  } finally {
    await rexec.close()
  }
}

function tables({ facts, submits, scale }: Result): string {
  const parts = [
    Object.entries(facts)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · '),
  ]
  if (submits) parts.push(submitTable(submits))
  if (scale) parts.push(scaleTable(scale))
  return parts.join('\n\n')
}
