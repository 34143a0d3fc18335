import { glob, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** The kernel takes this long at most to clear away what belonged to ended processes, in milliseconds. */
const GRACE = 5000

/**
 * What tests may leave in the kernel without a process: named network namespaces, mounts below the folder, cgroups. What
 * was there before is not theirs, and a cgroup with a process in it is somebody's who runs a cluster right now.
 * @returns a function that looks for what has come since, and resolves with a sentence for each
 */
export async function watchTraces(folder: string, grace = GRACE): Promise<() => Promise<string[]>> {
  const before = new Set(await traces(folder))
  return async () => {
    const end = Date.now() + grace
    for (;;) {
      const left = (await traces(folder)).filter((trace) => !before.has(trace))
      if (left.length === 0 || Date.now() > end) return left
      await sleep(100)
    }
  }
}

/** Mount points below a folder, the innermost first. */
export async function mountsBelow(folder: string): Promise<string[]> {
  const lines = (await read('/proc/self/mounts')).split('\n')
  const points = lines.map((line) => line.split(' ')[1] ?? '')
  // The kernel writes blanks and the like in octal.
  const paths = points.map((point) =>
    point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
  )
  return paths.filter((path) => path.startsWith(`${folder}/`)).reverse()
}

async function traces(folder: string): Promise<string[]> {
  const namespaces = (await readdir('/run/netns').catch(() => [])).filter((name) =>
    /^(rexec|cni)-/.test(name),
  )
  return [
    ...namespaces.map((name) => `network namespace ${name}`),
    ...(await mountsBelow(folder)).map((path) => `mount ${path}`),
    ...(await emptyCgroups()).map((path) => `cgroup ${path}`),
  ]
}

async function emptyCgroups(): Promise<string[]> {
  const empty: string[] = []
  for await (const path of glob('/sys/fs/cgroup/{rexec-*,*/rexec-*}')) {
    let processes = ''
    for await (const file of glob('**/cgroup.procs', { cwd: path })) processes += await read(join(path, file))
    if (processes === '') empty.push(path)
  }
  return empty
}

/** Empty for what has gone in the meantime. */
function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}
