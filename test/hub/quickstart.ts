import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Kernel } from './kernel.ts'

const FILE = join(import.meta.dirname, '../../docs/user/quickstart.ipynb')

/** https://nbformat.readthedocs.io/en/latest/format_description.html */
interface SavedCell {
  id: string
  cell_type: 'code' | 'markdown'
  source: string[]
  outputs: { text?: string[]; data?: { 'text/plain': string[] } }[]
}

/** A cell of Python, and what it showed when it was saved. */
interface Cell {
  source: string
  stdout: string
  result: string
}

/** The cells of docs/user/quickstart.ipynb by their ids, from top to bottom. */
export async function readQuickstart(): Promise<Record<string, Cell>> {
  const { cells } = JSON.parse(await readFile(FILE, 'utf8')) as { cells: SavedCell[] }
  return Object.fromEntries(
    cells
      .filter(({ cell_type }) => cell_type === 'code')
      .map(({ id, source, outputs }) => [
        id,
        {
          source: source.join(''),
          stdout: outputs.flatMap(({ text = [] }) => text).join(''),
          result: outputs.flatMap(({ data }) => data?.['text/plain'] ?? []).join(''),
        },
      ]),
  )
}

/** Runs the notebook from top to bottom; every cell must show what is saved with it. */
export async function runQuickstart(t: Test, kernel: Kernel): Promise<void> {
  for (const [id, { source, ...saved }] of Object.entries(await readQuickstart())) {
    const { stderr, ...shown } = await kernel.run(source)
    t.same(shown, saved, `cell ${id}${stderr && `, with stderr: ${stderr}`}`)
  }
}
