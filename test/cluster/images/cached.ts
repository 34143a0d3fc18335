import { glob, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheFolder } from '../../../bin/folders.ts'
import { builtTools } from '../tools/cache.ts'

/** What has not been used for this long, in milliseconds, is removed when another of its name is made. */
const KEPT = 7 * 24 * 3600 * 1000

/** Is told what is going on, line by line. */
export type Say = (line: string) => void

/** A folder of the cache that is made once for each key, which is all that its content depends on. */
export async function cached(
  name: string,
  key: unknown,
  say: Say | undefined,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const cache = cacheFolder('images')
  const build = async (folder: string) => {
    await make(folder)
    await prune(join(cache, name))
  }
  const folder = await builtTools({ name, inputs: [JSON.stringify(key)], build }, say, cache)
  const now = new Date()
  await utimes(folder, now, now)
  return folder
}

async function prune(path: string): Promise<void> {
  for await (const folder of glob(`${path}-????????????????`)) {
    const { mtimeMs } = await stat(folder)
    if (Date.now() - mtimeMs > KEPT) await rm(folder, { recursive: true, force: true })
  }
}
