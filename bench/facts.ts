import { execFile } from 'node:child_process'
import { arch, availableParallelism, cpus, loadavg, platform, release, totalmem } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What a reader must know to judge figures of another day or machine. */
export interface Facts {
  date: string
  /** What was measured, with "+" when files differ from it. */
  commit: string
  node: string
  system: string
  cpu: string
  cores: number
  memoryGiB: number
  /** Load average of the last minute before. */
  load: number
}

export async function machineFacts(): Promise<Facts> {
  return {
    date: new Date().toISOString(),
    commit: await commit(),
    node: process.version,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: Number(loadavg()[0]!.toFixed(2)),
  }
}

async function commit(): Promise<string> {
  const options = { cwd: import.meta.dirname }
  try {
    const head = await run('git', ['rev-parse', '--short', 'HEAD'], options)
    const changes = await run('git', ['status', '--porcelain', '--untracked-files=no'], options)
    return head.stdout.trim() + (changes.stdout ? '+' : '')
  } catch {
    return 'unknown'
  }
}
