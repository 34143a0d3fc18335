import { createHash } from 'node:crypto'
import { glob, mkdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cacheFolder } from '../../../bin/folders.ts'
import { acquireLock } from '../../../proxy/cluster/local/lock.ts'

/** What has not been used for this long, in milliseconds, is removed when another of its name has been built. */
const KEPT = 7 * 24 * 3600 * 1000

/** How often to look whether another process has finished the same tools, in milliseconds. */
const LOOK_AGAIN = 500

export interface Recipe {
  name: string
  /** Everything that decides what comes out: versions, sums, the compiler. */
  inputs: string[]
  /** Fills the empty folder. */
  build(folder: string): Promise<void>
}

/**
 * Finds the tools in the cache or builds them. Two processes may ask at once. A build goes into a folder of another
 * name and gets its own at the end, so what was killed half-way is never used, and begun anew.
 * @param say is told what is going on, line by line
 * @returns the folder
 */
export async function builtTools(
  { name, inputs, build }: Recipe,
  say: (line: string) => void = () => undefined,
  cache = cacheFolder('tools'),
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 16)
  const folder = join(cache, `${name}-${hash}`)
  if (await use(folder)) return folder
  const release = await lock(`${folder}.lock`, name, say)
  try {
    if (await use(folder)) return folder
    for await (const left of glob(`${folder}.unfinished*`)) await rm(left, { recursive: true, force: true })
    // Of its own name: a compiler whose parent was killed may still write into its own.
    const unfinished = `${folder}.unfinished-${process.pid}`
    await mkdir(unfinished, { recursive: true })
    say(`building ${name} into ${folder} (minutes; the next time it is there)`)
    const start = Date.now()
    await build(unfinished)
    await rename(unfinished, folder)
    await prune(join(cache, name))
    say(`built ${name} in ${Math.round((Date.now() - start) / 1000)} s`)
    return folder
  } finally {
    await release()
  }
}

/** Whether it is there; the time of its last use is that of the folder. */
function use(folder: string): Promise<boolean> {
  const now = new Date()
  return utimes(folder, now, now).then(
    () => true,
    () => false,
  )
}

async function prune(path: string): Promise<void> {
  for await (const folder of glob(`${path}-????????????????{,.unfinished*}`)) {
    // Another process may remove it first.
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
    if (Date.now() - mtimeMs <= KEPT) continue
    for (const path of [folder, `${folder}.lock`]) await rm(path, { recursive: true, force: true })
  }
}

async function lock(folder: string, name: string, say: (line: string) => void): Promise<() => Promise<void>> {
  for (let told = false; ; told = true) {
    const release = await acquireLock(folder)
    if (typeof release === 'function') return release
    if (!told) say(`waiting for process ${release}, which builds ${name}`)
    await sleep(LOOK_AGAIN)
  }
}
