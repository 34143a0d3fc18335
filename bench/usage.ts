import { readFile } from 'node:fs/promises'

/** Linux counts CPU time in hundredths of a second. */
const TICKS_PER_SECOND = 100

/** What a process has used so far; undefined where there is no /proc. */
export async function usage(pid: number): Promise<{ cpuSeconds: number; peakMiB: number } | undefined> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ])
    // Fields 14 and 15 (proc_pid_stat(5)); the name in field 2 may hold spaces, so count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const peakKiB = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1])
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
      peakMiB: Math.round(peakKiB / 1024),
    }
  } catch {
    return undefined
  }
}
