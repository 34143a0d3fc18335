import { execFile } from 'node:child_process'
import { appendFile, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

/**
 * Every process of a local server carries this variable; its value is a path below the state folder. What a killed
 * `rexec local` left behind is found by it, also a process that made itself a daemon.
 */
export const MARKER = 'REXEC_LOCAL'

/** Groups that were started, one "pid start-time" per line: how leftovers are found where there is no /proc. */
const RECORD = 'processes'

/** A process that forks while it is being killed is hunted for this many rounds of 20 ms. */
const ROUNDS = 100

/**
 * When a process started, in a form that no later process with the same id shares.
 * Undefined when there is no such process, or only a zombie.
 */
export async function startTime(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return startTimeByPs(pid)
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // Fields from the third on: the second, the name, may hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19]
}

/** The same where there is no /proc. */
export async function startTimeByPs(pid: number): Promise<string | undefined> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', `${pid}`]).catch(() => ({
    stdout: '',
  }))
  return stdout.trim().replaceAll(/\W+/g, '-') || undefined
}

/** Remembers in `folder` that the process group of `pid` belongs to it. */
export async function recordGroup(folder: string, pid: number): Promise<void> {
  const started = await startTime(pid)
  if (started) await appendFile(join(folder, RECORD), `${pid} ${started}\n`, { mode: 0o600 })
}

/** Kills what an earlier process that used `folder` has left; resolves with how many groups and processes that were. */
export async function killLeftovers(folder: string): Promise<number> {
  const record = await readFile(join(folder, RECORD), 'utf8').catch(() => '')
  let groups = 0
  for (const line of record.split('\n')) {
    const [pid, started] = line.split(' ')
    // A process id may have been given to a stranger since: the start time tells.
    if (!pid || (await startTime(Number(pid))) !== started) continue
    killGroup(Number(pid))
    groups += 1
  }
  const processes = await killMarked(folder)
  await rm(join(folder, RECORD), { force: true })
  return groups + processes
}

/** Kills every process whose marker is `path` or lies below it, and resolves when they are gone. */
export async function killMarked(path: string): Promise<number> {
  const killed = new Set<number>()
  for (let round = 0; round < ROUNDS; round += 1) {
    const pids = await findMarked(path)
    if (pids.length === 0) break
    for (const pid of pids) {
      kill(pid)
      killed.add(pid)
    }
    await sleep(20)
  }
  return killed.size
}

/** Ids of the processes whose marker is `path` or lies below it (Linux; elsewhere none are found). */
export async function findMarked(path: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => [])
  const found = entries
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map(async (entry) => {
      const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '')
      const value = environment.split('\0').find((variable) => variable.startsWith(`${MARKER}=`))
      const marker = value?.slice(MARKER.length + 1)
      return marker === path || marker?.startsWith(`${path}/`) ? [Number(entry)] : []
    })
  return (await Promise.all(found)).flat()
}

/** Kills the process group that `pid` leads, if it is still there. */
export function killGroup(pid: number): void {
  kill(-pid)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
