import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { acquireLock } from '../../../../proxy/cluster/local/lock.ts'
import { startTime } from '../../../../proxy/cluster/local/processes.ts'
import { temporaryFolder } from '../../../support/local-cluster.ts'

t.test('one has it at a time', async (t) => {
  const folder = join(await temporaryFolder(t), 'lock')
  const release = await acquireLock(folder)
  t.type(release, 'function')
  t.equal(await acquireLock(folder), process.pid, 'not even the same process twice')
  await (release as () => Promise<void>)()
  t.type(await acquireLock(folder), 'function')
})

t.test('a living process keeps it, a dead one does not', async (t) => {
  const folder = await temporaryFolder(t)
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  await writeFile(join(folder, `${child.pid}-${await startTime(child.pid!)}`), '')
  t.equal(await acquireLock(folder), child.pid)
  t.equal((await readdir(folder)).length, 1, 'the one that gave way leaves nothing')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.type(await acquireLock(folder), 'function')
  t.match(await readdir(folder), [new RegExp(`^${process.pid}-`)], "the dead one's file is gone")
})

t.test('a process with the same id as a dead holder does not have it', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, `${process.ppid}-1`), '')
  await writeFile(join(folder, 'a file of somebody else'), '')
  t.type(await acquireLock(folder), 'function')
})

t.test('of many at once at most one has it', async (t) => {
  const folder = join(await temporaryFolder(t), 'lock')
  await mkdir(folder)
  const results = await Promise.all(Array.from({ length: 20 }, () => acquireLock(folder)))
  t.equal(results.filter((result) => typeof result === 'function').length, 1)
})
