import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * As the kubelet would start it, as far as the kernel alone can: first process of its own, read-only root, no
 * capabilities, its control group in the place of /sys/fs/cgroup.
 */
const SCRIPT = `
writable=$1; memory=$2; pids=$3; shift 3
for folder in $writable; do mkdir -p $folder && mount --bind $folder $folder || exit; done
for pair in memory:$memory pids:$pids; do
  group=\${pair#*:}
  [ -z "$group" ] && continue
  echo 0 > $group/cgroup.procs || exit
  mount --bind $group /sys/fs/cgroup/\${pair%%:*} || exit
done
mount -o remount,bind,ro / || exit
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
`

const UNSHARE = ['unshare', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child']

export interface ContainerOptions {
  /** Folders that stay writable. */
  writable: string[]
  /** Groups of controlGroup(). */
  memory?: string
  pids?: string
}

/** What to put before a command, so that it runs in a container of its own. */
export function inContainer({ writable, memory = '', pids = '' }: ContainerOptions): string[] {
  return [...UNSHARE, 'sh', '-c', SCRIPT, 'sh', writable.join(' '), memory, pids]
}

/** Why this machine cannot do that; undefined when it can. */
export function containerMissing(): string | undefined {
  try {
    const [command, ...args] = [...inContainer({ writable: [] }), 'true']
    execFileSync(command!, args, { stdio: 'ignore' })
    return undefined
  } catch {
    return 'needs root and unshare (Debian: util-linux)'
  }
}

/** Why no control groups of version 1 can be made; undefined when they can. */
export function controlGroupsMissing(): string | undefined {
  try {
    for (const controller of ['memory', 'pids'] as const) removeSync(controlGroup(controller, {}))
    return undefined
  } catch {
    return 'needs root and control groups of version 1 (the node tier has them too)'
  }
}

/** Makes a group; `files` are its settings. */
export function controlGroup(controller: 'memory' | 'pids', files: Record<string, string>): string {
  const folder = join('/sys/fs/cgroup', controller, `rexec-test-${process.pid}-${performance.now()}`)
  mkdirSync(folder)
  try {
    for (const [name, value] of Object.entries(files)) writeFileSync(join(folder, name), value)
    readFileSync(join(folder, controller === 'memory' ? 'memory.limit_in_bytes' : 'pids.max'))
    return folder
  } catch (error) {
    removeSync(folder)
    throw error
  }
}

function removeSync(group: string): void {
  rmdirSync(group)
}

/** Removes a group as soon as the last of its processes has ended. */
export async function removeControlGroup(group: string): Promise<void> {
  for (;;) {
    try {
      return removeSync(group)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error
      await pause(20)
    }
  }
}

/** The process in a container of `inContainer` whose number there is 1, by the number that it has outside. */
export function firstProcess(unshare: number): number {
  return Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').trim())
}
