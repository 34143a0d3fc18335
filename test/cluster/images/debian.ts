import { glob, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { cached, type Say } from './cached.ts'
import { type Layer, makeLayer, readLayer } from './layer.ts'
import { runAlone } from './program.ts'

const PUBLIC_MIRROR = 'http://deb.debian.org/debian'

/** What no container needs. */
const LEFT_OUT = [
  './var/cache/apt/*',
  './var/lib/apt/lists/*',
  './var/log/*',
  './usr/share/doc/*',
  './usr/share/man/*',
  './usr/share/locale/*',
  './dev/*',
]

/** A Debian root file system with these packages beside the required ones. Made once, in less than a minute. */
export async function debianLayer(suite: string, packages: string[], say?: Say): Promise<Layer> {
  const folder = await cached(`debian-${suite}`, [suite, packages, LEFT_OUT], say, async (folder) => {
    const root = join(folder, 'root')
    const options = ['--variant=minbase', ...(packages.length > 0 ? [`--include=${packages}`] : [])]
    await runAlone(['debootstrap', ...options, suite, root, await mirror()])
    const excluded = LEFT_OUT.map((pattern) => `--exclude=${pattern}`)
    await makeLayer(folder, ['--numeric-owner', '--sort=name', ...excluded, `--directory=${root}`, '.'])
    await rm(root, { recursive: true })
  })
  return readLayer(folder)
}

/** The Debian mirror that this machine uses, if it is a Debian. */
async function mirror(): Promise<string> {
  for await (const file of glob('/etc/apt/{sources.list,sources.list.d/*.{list,sources}}')) {
    const found = /\bhttps?:\/\/\S+\/debian\/?(?=\s)/.exec(await readFile(file, 'utf8'))
    if (found) return found[0]
  }
  return PUBLIC_MIRROR
}
