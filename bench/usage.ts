import { readdir, readFile } from 'node:fs/promises'

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100

/** The fields of /proc/PID/stat from the third on (proc_pid_stat(5)); the name before them may hold anything. */
async function statFields(pid: number | string): Promise<string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Sum of the fields [from, to), counted as in proc_pid_stat(5), in seconds. */
function seconds(fields: string[], from: number, to: number): number {
  return fields.slice(from - 3, to - 3).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/** What a process has used so far; undefined where there is no /proc. */
export async function usage(pid: number): Promise<{ cpuSeconds: number; peakMiB: number } | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const peakKiB = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1])
    return { cpuSeconds: seconds(await statFields(pid), 14, 16), peakMiB: Math.round(peakKiB / 1024) }
  } catch {
    return undefined
  }
}

/** CPU seconds of a process and all below it, those that have ended included; undefined where there is no /proc. */
export async function treeCpuSeconds(root: number): Promise<number | undefined> {
  const processes = new Map<number, string[]>()
  for (const pid of await readdir('/proc').catch(() => [])) {
    const fields = /^\d+$/.test(pid) && (await statFields(pid).catch(() => undefined))
    if (fields) processes.set(Number(pid), fields)
  }
  if (!processes.has(root)) return undefined
  const isBelow = (pid: number): boolean => {
    const parent = Number(processes.get(pid)?.[1] ?? 0)
    return pid === root || (parent > 1 && isBelow(parent))
  }
  // Fields 16 and 17 are those of the children that it has waited for.
  return [...processes].reduce((sum, [pid, fields]) => sum + (isBelow(pid) ? seconds(fields, 14, 18) : 0), 0)
}
