import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { ensureVenv } from '../../bin/venv.ts'

export interface Judgement {
  /** Whether the packaging library accepts the source. */
  accepted: boolean
  url: boolean
  /** Whether our normal form means the same to it as the source does. */
  same: boolean
}

/** Asks the packaging library, which pip is built on, about requirements and our normal form of each. */
export async function askPackaging(pairs: [source: string, ours: string | null][]): Promise<Judgement[]> {
  const python = await ensureVenv('packaging', { packages: ['packaging==25.0'] })
  const script = join(import.meta.dirname, 'packaging_check.py')
  const { status, stdout, stderr } = spawnSync(python, [script], {
    input: JSON.stringify(pairs),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`packaging_check.py failed: ${stderr}`)
  return JSON.parse(stdout)
}
