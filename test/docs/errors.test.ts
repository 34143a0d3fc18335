import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { errorTable } from '../../common/errors.ts'

const docs = join(import.meta.dirname, '../../docs')
const PAGES = ['user/errors-and-limits.md', 'admin/troubleshooting.md', 'admin/troubleshooting-servers.md']

t.test(
  'every error is found by whoever meets it: with what to do, on a page for users or admins',
  async (t) => {
    const texts = await Promise.all(PAGES.map((page) => readFile(join(docs, page), 'utf8')))
    const told = new Set(
      texts.flatMap((text) => [...text.matchAll(/`\[?([a-z_]+)\]?`/g)].map(([, code]) => code)),
    )
    t.same(
      Object.keys(errorTable).filter((code) => !told.has(code)),
      [],
    )
  },
)
