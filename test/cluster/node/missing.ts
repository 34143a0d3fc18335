import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { cacheFolder } from '../../../bin/folders.ts'
import { toolsMissing } from '../tools.ts'
import { PLUGINS } from './cilium.ts'
import { givenCluster } from './given.ts'

/** Debian's packages, and what is needed of them. */
const PACKAGES: Record<string, string[]> = {
  containerd: ['containerd', 'ctr'],
  runc: ['runc'],
  'containernetworking-plugins': [join(PLUGINS, 'ptp')],
  iproute2: ['ip'],
  nftables: ['nft'],
  iptables: ['iptables'],
  ipset: ['ipset'],
  conntrack: ['conntrack'],
  'clang-19': ['clang-19'],
  bpftool: ['bpftool'],
  debootstrap: ['debootstrap'],
  buildah: ['buildah'],
  skopeo: ['skopeo'],
  gcc: ['cc'],
  'libc6-dev': ['/usr/include/unistd.h'],
  openssl: ['openssl'],
  procps: ['sysctl'],
  python3: ['python3'],
}

/** What init.sh puts empty folders over. */
const HIDDEN = ['/run/', '/var/run/', '/var/lib/', '/var/log/']

/** Why this machine cannot run a cluster of one node, with what brings it; undefined when it can. */
export async function nodeClusterMissing(): Promise<string | undefined> {
  try {
    if (givenCluster(process.env)) return undefined
  } catch (error) {
    return (error as Error).message
  }
  if (process.platform !== 'linux') return 'a cluster of one node needs Linux'
  if (process.getuid?.() !== 0) return 'a cluster of one node needs root: sudo -E npm test'
  if (!(await exists('/sys/fs/cgroup/memory/cgroup.procs'))) {
    return 'a cluster of one node needs cgroup v1: here, set REXEC_TEST_KUBECONFIG to a cluster of your own'
  }
  const cache = cacheFolder('nodes')
  if (HIDDEN.some((folder) => cache.startsWith(folder))) {
    return `a cluster of one node hides ${HIDDEN.join(', ')}: set XDG_CACHE_HOME to a folder elsewhere`
  }
  const packages = []
  for (const [name, files] of Object.entries(PACKAGES)) {
    if (!(await Promise.all(files.map(found))).every(Boolean)) packages.push(name)
  }
  if (packages.length > 0) return `a cluster of one node needs: apt-get install ${packages.join(' ')}`
  return toolsMissing()
}

/** A path, or a program on the PATH or where root's are. */
async function found(file: string): Promise<boolean> {
  if (file.startsWith('/')) return exists(file)
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const there = await Promise.all(folders.map((folder) => exists(join(folder, file), constants.X_OK)))
  return there.includes(true)
}

function exists(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
