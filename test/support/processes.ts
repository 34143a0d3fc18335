import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** Processes that are about to end get this long, in milliseconds. */
const GRACE = 5000

export interface Process {
  pid: number
  command: string
  /** The one that it was found by. */
  mark: string
}

/** Processes that have one of the marks (such as a folder) in their command line or environment. Linux only. */
export async function findProcesses(marks: string[]): Promise<Process[]> {
  const pids = (await readdir('/proc').catch(() => [])).map(Number).filter((pid) => pid > 0)
  const processes = pids
    .filter((pid) => pid !== process.pid)
    .map(async (pid) => {
      const [command, environment] = await Promise.all([read(pid, 'cmdline'), read(pid, 'environ')])
      const mark = marks.find((mark) => command.includes(mark) || environment.includes(mark))
      return mark ? [{ pid, mark, command: command.replaceAll('\0', ' ').trim().slice(0, 200) }] : []
    })
  return (await Promise.all(processes)).flat()
}

/** Those that still run although their tests are over. */
export async function findLeftovers(marks: string[]): Promise<Process[]> {
  const end = Date.now() + GRACE
  for (;;) {
    const found = await findProcesses(marks)
    if (found.length === 0 || Date.now() > end) return found
    await sleep(100)
  }
}

/** Empty when the process has ended, and for one of another user. */
function read(pid: number, file: string): Promise<string> {
  return readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')
}
