import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Keeps a result of this date (ISO 8601) as JSON. @returns path */
export async function keep(folder: string, json: string, date: string, prefix = ''): Promise<string> {
  const file = join(folder, `${prefix}${date.slice(0, 19).replaceAll(':', '-')}.json`)
  await mkdir(folder, { recursive: true })
  await writeFile(file, `${json}\n`)
  return file
}
