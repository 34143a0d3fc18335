import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What each tier needs is in docs/developer/testing.md; so is what tells the files apart. */
export const TIERS = ['unit', 'api', 'node'] as const
export type Tier = (typeof TIERS)[number]

const root = join(import.meta.dirname, '..')

/** Who imports this, directly or through a helper, is of that tier; who imports neither is of the tier unit. */
const STARTERS: Record<string, Tier> = {
  [join(root, 'test/cluster/api-server.ts')]: 'api',
  // Helm is built as the API server is.
  [join(root, 'test/support/chart.ts')]: 'api',
  [join(root, 'test/cluster/node/node.ts')]: 'node',
  // Needs the same programs, and the same is prepared for it.
  [join(root, 'test/cluster/images/images.ts')]: 'node',
}

const IMPORT = /^\s*(?:import|export)\s+(?!type\b)[^'";]*?from\s*'(\.[^']+\.ts)'/gm

/** The tier of a test file, or of a helper. */
export function tierOf(file: string): Promise<Tier> {
  return highest(join(root, file), new Set())
}

async function highest(path: string, seen: Set<string>): Promise<Tier> {
  if (STARTERS[path]) return STARTERS[path]
  if (seen.has(path) || !path.startsWith(join(root, 'test/'))) return 'unit'
  seen.add(path)
  // What looks like an import in a string may name a file that does not exist.
  const imports = (await readFile(path, 'utf8').catch(() => '')).matchAll(IMPORT)
  let tier: Tier = 'unit'
  for (const [, name] of imports) {
    const other = await highest(join(dirname(path), name!), seen)
    if (TIERS.indexOf(other) > TIERS.indexOf(tier)) tier = other
  }
  return tier
}
