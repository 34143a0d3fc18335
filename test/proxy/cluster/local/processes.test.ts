import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  findMarked,
  killLeftovers,
  killMarked,
  MARKER,
  recordGroup,
  startTime,
  startTimeByPs,
} from '../../../../proxy/cluster/local/processes.ts'
import { temporaryFolder } from '../../../support/local-cluster.ts'

/** A process that would run for a minute; `marker` is its marker's value, if it has one. */
function sleeper(t: Test, marker?: string) {
  const child = spawn('sleep', ['60'], {
    detached: true,
    stdio: 'ignore',
    env: marker ? { [MARKER]: marker } : {},
  })
  t.teardown(() => child.kill('SIGKILL'))
  return { pid: child.pid!, ended: once(child, 'exit') }
}

t.test('a start time tells a process from a later one with the same id', async (t) => {
  const { pid, ended } = sleeper(t)
  for (const timeOf of [startTime, startTimeByPs]) {
    const time = await timeOf(pid)
    t.match(time, /^[\w-]+$/)
    t.equal(await timeOf(pid), time)
  }
  process.kill(pid, 'SIGKILL')
  await ended
  t.equal(await startTime(pid), undefined)
  t.equal(await startTimeByPs(pid), undefined)
})

t.test('marked processes are found and killed, and no others', async (t) => {
  const folder = await temporaryFolder(t)
  const inside = sleeper(t, join(folder, 'users/a'))
  const itself = sleeper(t, folder)
  const other = sleeper(t, `${folder}-other/users/a`)
  const unmarked = sleeper(t)
  t.same(new Set(await findMarked(folder)), new Set([inside.pid, itself.pid]))
  t.equal(await killMarked(folder), 2)
  await Promise.all([inside.ended, itself.ended])
  t.ok(await startTime(other.pid))
  t.ok(await startTime(unmarked.pid))
  t.equal(await killMarked(folder), 0)
})

t.test('recorded groups are killed where there are no marks', async (t) => {
  const folder = await temporaryFolder(t)
  const recorded = sleeper(t)
  const stranger = sleeper(t)
  await recordGroup(folder, recorded.pid)
  // The same id as a recorded one, but started at another time; and lines that a crash has cut off.
  await appendFile(join(folder, 'processes'), `${stranger.pid} 12345\n${process.pid}\n-1 x\n\n`)
  t.equal(await killLeftovers(folder), 1)
  await recorded.ended
  t.ok(await startTime(stranger.pid), 'a stranger with a recorded id lives on')
  t.equal(await killLeftovers(folder), 0, 'the record is gone')
})
