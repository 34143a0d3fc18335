import { existsSync } from 'node:fs'
import { glob, readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { startTime } from '../../../proxy/cluster/local/processes.ts'
import { runProgram } from '../images/program.ts'

/** What a cluster is on the machine: kind -> those that are there. */
export type Footprint = Record<string, string[]>

const NAMESPACES = ['net', 'mnt', 'pid', 'ipc', 'cgroup']

/** What the cluster whose files are in the folder is now. */
export async function footprint(folder: string): Promise<Footprint> {
  const slot = basename(folder)
  const pids = new Set<string>()
  for await (const file of glob(`/sys/fs/cgroup/*/${slot}/**/cgroup.procs`)) {
    for (const pid of (await read(file)).split('\n').filter(Boolean)) pids.add(pid)
  }
  const own = new Set(await namespaces(process.pid))
  const all = await Promise.all([...pids].map(namespaces))
  return {
    processes: await Promise.all([...pids].map(async (pid) => `${pid} ${await startTime(Number(pid))}`)),
    namespaces: [...new Set(all.flat())].filter((name) => !own.has(name)),
    ...(await named(folder)),
  }
}

/** What of it is there still, or again. */
export async function leftOf(before: Footprint, folder: string): Promise<Footprint> {
  const processes = []
  for (const process of before.processes!) {
    const [pid, started] = process.split(' ')
    if ((await startTime(Number(pid))) === started) processes.push(process)
  }
  // The kernel gives the number of a namespace that is gone to the next one, such as one of another test's.
  const newest = Math.max(...before.processes!.map((process) => Number(process.split(' ')[1])))
  const inUse = new Set<string>()
  for await (const path of glob('/proc/[0-9]*')) {
    const pid = basename(path)
    if (Number(await startTime(Number(pid))) > newest) continue
    for (const name of await namespaces(pid)) inUse.add(name)
  }
  const left = {
    processes,
    namespaces: before.namespaces!.filter((name) => inUse.has(name)),
    ...(await named(folder)),
  }
  return Object.fromEntries(Object.entries(left).filter(([, found]) => found.length > 0))
}

/** What has the cluster's name. */
async function named(folder: string): Promise<Footprint> {
  const slot = basename(folder)
  const hierarchies = await readdir('/sys/fs/cgroup')
  const mounts = (await read('/proc/self/mounts')).split('\n')
  const routes = (await runProgram('ip', ['route', 'show', 'table', 'all'])).split('\n')
  return {
    interfaces: existsSync(`/sys/class/net/${slot}`) ? [slot] : [],
    routes: routes.filter((line) => line.includes(`dev ${slot}`)),
    cgroups: hierarchies.map((name) => join('/sys/fs/cgroup', name, slot)).filter((path) => existsSync(path)),
    files: existsSync(folder) ? [folder] : [],
    mounts: mounts.filter((line) => line.includes(folder)),
  }
}

/** As "net:[4026531840]"; of a process that has ended, none. */
function namespaces(pid: string | number): Promise<string[]> {
  return Promise.all(NAMESPACES.map((kind) => readlink(`/proc/${pid}/ns/${kind}`))).catch(() => [])
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}
