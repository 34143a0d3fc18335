import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { dashboard } from '../helm/dashboard/dashboard.ts'
import { commentedValues } from '../helm/schema/comments.ts'
import { valuesSchema } from '../helm/schema/schema.ts'
import { errorsPage } from './pages/errors.ts'
import { settingsPage } from './pages/settings.ts'
import { valuesPage } from './pages/values.ts'

const root = new URL('../', import.meta.url)
const read = (name: string) => readFile(new URL(name, root), 'utf8')
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

/** The files that are made from code. `npm run docs` writes them; a test compares them. */
async function files(): Promise<Record<string, string>> {
  const values = commentedValues(await read('helm/rexec/values.yaml'))
  return {
    'docs/reference/errors.md': errorsPage(),
    'docs/reference/settings.md': settingsPage(),
    'docs/reference/values.md': valuesPage(values),
    'helm/rexec/dashboards/rexec.json': json(dashboard),
    'helm/rexec/values.schema.json': json(valuesSchema(values)),
  }
}

/** Names of the files that differ from what the code says now. */
export async function staleFiles(): Promise<string[]> {
  const stale: string[] = []
  for (const [name, text] of Object.entries(await files())) {
    if ((await read(name).catch(() => undefined)) !== text) stale.push(name)
  }
  return stale
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await files())) {
    await writeFile(new URL(name, root), text)
    console.log(`wrote ${name}`)
  }
}
