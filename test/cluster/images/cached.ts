import { cacheFolder } from '../../../bin/folders.ts'
import { builtTools } from '../tools/cache.ts'

/** A folder of the cache that is made once for each key, which is all that its content depends on. */
export function cached(name: string, key: unknown, make: (folder: string) => Promise<void>): Promise<string> {
  return builtTools({ name, inputs: [JSON.stringify(key)], build: make }, undefined, cacheFolder('images'))
}
