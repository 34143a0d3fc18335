import { cacheFolder } from '../../../bin/folders.ts'
import { builtTools } from '../tools/cache.ts'

/** Is told what is going on, line by line. */
export type Say = (line: string) => void

/**
 * A folder of the cache that is made once for each key, which is all that its content depends on.
 * @param within another folder to be in
 */
export function cached(
  name: string,
  key: unknown,
  say: Say | undefined,
  make: (folder: string) => Promise<void>,
  within = cacheFolder('images'),
): Promise<string> {
  return builtTools({ name, inputs: [JSON.stringify(key)], build: make }, say, within)
}
