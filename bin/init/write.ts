import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../problem.ts'

export interface OutFile {
  name: string
  text: string
  isSecret?: boolean
}

/** @throws Problem when one of the files is there and may not be replaced */
export async function assertFree(folder: string, names: readonly string[], force: boolean): Promise<void> {
  if (force) return
  for (const name of names) {
    const there = await stat(join(folder, name)).catch(() => undefined)
    if (there)
      throw new Problem(`${join(folder, name)} exists already. Choose another --out, or give --force.`)
  }
}

/** All of them or none: each is written beside its place first, and then takes it. */
export async function writeFiles(folder: string, files: readonly OutFile[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const draft = (name: string) => join(folder, `.${name}.${process.pid}`)
  try {
    for (const { name, text, isSecret } of files) {
      await writeFile(draft(name), text, { mode: isSecret ? 0o600 : 0o644, flag: 'wx' })
    }
    for (const { name } of files) await rename(draft(name), join(folder, name))
  } finally {
    for (const { name } of files) await rm(draft(name), { force: true })
  }
}

/** The token of an earlier time, which the hub may know already. */
export async function earlierToken(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'hub-token'), 'utf8').catch(() => '')
  return /^[0-9a-f]{64}$/.exec(text.trim())?.[0]
}
