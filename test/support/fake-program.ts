import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder } from './local-cluster.ts'

/** Makes a shell script that stands in for a program; resolves with its folder, for a PATH. */
export async function fakeProgram(t: Test, name: string, script: string): Promise<string> {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, name), 0o755)
  return folder
}
