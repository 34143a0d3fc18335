import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTime } from './processes.ts'

/**
 * A lock between processes that survives their being killed: a folder in which each contender puts a file named by
 * its pid and start time, and then looks for others. A dead one's file can be removed by anybody, since its name
 * never comes back; of two living ones at most one stays. (Two that come at the same instant may both give way.)
 * Resolves with the function that gives the lock back, or with the pid of the living process that has it.
 */
export async function acquireLock(folder: string): Promise<(() => Promise<void>) | number> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const own = `${process.pid}-${await startTime(process.pid)}`
  const release = () => rm(join(folder, own), { force: true })
  try {
    await writeFile(join(folder, own), '', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return process.pid
    throw error
  }
  for (const other of await readdir(folder)) {
    const pid = Number.parseInt(other, 10)
    if (other === own || Number.isNaN(pid)) continue
    if (other === `${pid}-${await startTime(pid)}`) {
      await release()
      return pid
    }
    await rm(join(folder, other), { force: true })
  }
  return release
}
