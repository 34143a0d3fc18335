/**
 * Where the broker's time goes: `node bench/profile.ts 64|1024|65536|1048576|104857600 [seconds]` puts it under load
 * with V8's profiler on, and prints self times. The .cpuprofile stays, for Chrome's or VS Code's viewer.
 */
import { mkdtemp, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Problem } from '../bin/problem.ts'
import { ensureVenv } from '../bin/venv.ts'
import { CASES, runLoad } from './broker.ts'
import { type CpuProfile, groupTimes, selfTimes } from './cpu-profile.ts'
import { buildNative } from './native.ts'
import { makeSecrets, startRexec } from './peers.ts'
import { figure, table } from './table.ts'
import { VENV } from './venv.ts'

const TOP = 30

const size = Number(process.argv[2])
const each = CASES.findLast(({ bytes }) => bytes === size)
if (!each) {
  throw new Problem(
    `Give the bytes of the arguments: ${[...new Set(CASES.map(({ bytes }) => bytes))].join(', ')}.`,
  )
}
const seconds = Number(process.argv[3] ?? 5)

const native = await buildNative(await ensureVenv(VENV.name, { packages: VENV.packages }))
const folder = await mkdtemp(join(tmpdir(), 'rexec-profile-'))
const peer = await startRexec(await makeSecrets(), ['--cpu-prof', `--cpu-prof-dir=${folder}`])
try {
  const { seconds: took } = await runLoad(native, peer, each)
  const calls = Math.ceil((each.calls * seconds) / took)
  const load = await runLoad(native, peer, { ...each, calls, warmUp: 0 })
  console.log(`${calls} calls, ${figure(calls / load.seconds)} per second with the profiler on\n`)
} finally {
  await peer.close()
}

const file = join(folder, (await readdir(folder))[0]!)
const times = selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile)
const busy = times.reduce((sum, { group, seconds: self }) => sum + (group === 'idle' ? 0 : self), 0)
const percent = (time: number) => `${((time / busy) * 100).toFixed(1)} %`
console.log(
  table(
    ['group', 'busy time'],
    groupTimes(times).map(([group, time]) => [group, percent(time)]),
  ),
)
console.log()
const top = times.filter(({ group }) => group !== 'idle').slice(0, TOP)
console.log(
  table(
    ['function', 'group', 'busy time'],
    top.map(({ name, group, seconds: self }) => [name, group, percent(self)]),
  ),
)
console.log(`\n${file}`)
