import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { errorsPage } from './pages/errors.ts'
import { settingsPage } from './pages/settings.ts'

/** The pages that are made from code. `npm run docs` writes them; a test compares them. */
export const pages = {
  'reference/errors.md': errorsPage,
  'reference/settings.md': settingsPage,
} satisfies Record<string, () => string>

const folder = new URL('./', import.meta.url)

/** Names of the pages whose file differs from what the code says now. */
export async function stalePages(): Promise<string[]> {
  const stale: string[] = []
  for (const [name, page] of Object.entries(pages)) {
    const written = await readFile(new URL(name, folder), 'utf8').catch(() => undefined)
    if (written !== page()) stale.push(name)
  }
  return stale
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, page] of Object.entries(pages)) {
    await writeFile(new URL(name, folder), page())
    console.log(`wrote docs/${name}`)
  }
}
