/**
 * Where the broker's time goes: puts it under load with V8's profiler on and prints self times.
 *
 *   node bench/profile.ts 64|1024|65536|1048576|104857600 [--seconds 5] [--results FOLDER]
 *
 * The .cpuprofile is kept in bench/results, for the viewers of Chrome and VS Code.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Problem } from '../bin/problem.ts'
import { ensureVenv } from '../bin/venv.ts'
import { CASES, runLoad } from './broker.ts'
import { type CpuProfile, groupTimes, type SelfTime, selfTimes } from './cpu-profile.ts'
import { buildNative } from './native.ts'
import { makeSecrets, startRexec } from './peers.ts'
import { runProgram, say } from './program.ts'
import { figure, table } from './table.ts'
import { VENV } from './venv.ts'

/** Functions shown. */
const TOP = 30
/** Milliseconds until V8 has compiled what matters. */
const WARM_UP = 1000

await runProgram(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '5' },
      results: { type: 'string', default: join(import.meta.dirname, 'results') },
    },
  })
  const each = CASES.findLast(({ bytes }) => bytes === Number(positionals[0]))
  const sizes = [...new Set(CASES.map(({ bytes }) => bytes))].join(', ')
  if (!each) throw new Problem(`Give the bytes of the arguments, one of: ${sizes}.`, 2)

  const native = await buildNative(await ensureVenv(VENV.name, { packages: VENV.packages, onLine: say }))
  const name = `broker-${each.bytes}.cpuprofile`
  const flags = ['--cpu-prof', `--cpu-prof-dir=${values.results}`, `--cpu-prof-name=${name}`]
  const broker = await startRexec(await makeSecrets(), flags)
  let since = 0
  try {
    await runLoad(native, broker, each, { warmUp: 0, round: WARM_UP })
    since = Number(process.hrtime.bigint() / 1000n) // neither Node's own start nor the warm-up
    const { calls, seconds } = await runLoad(native, broker, each, {
      warmUp: 0,
      round: Number(values.seconds) * 1000,
    })
    console.log(`${calls} calls, ${figure(calls / seconds)} per second with the profiler on\n`)
  } finally {
    await broker.close() // Node writes the profile
  }
  const file = join(values.results, name)
  show(selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile, since))
  say(`kept as ${file}`)
})

function show(times: SelfTime[]): void {
  const busy = times.filter(({ group }) => group !== 'idle')
  const total = busy.reduce((sum, { seconds }) => sum + seconds, 0)
  const percent = (seconds: number) => `${((seconds / total) * 100).toFixed(1)} %`
  const groups = groupTimes(busy).map(([group, seconds]) => [group, percent(seconds)])
  const functions = busy.slice(0, TOP).map(({ name, group, seconds }) => [name, group, percent(seconds)])
  console.log(`${table(['group', 'busy time'], groups)}\n`)
  console.log(table(['function', 'group', 'busy time'], functions))
}
