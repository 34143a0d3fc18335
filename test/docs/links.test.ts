import { existsSync } from 'node:fs'
import { glob, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')

/** The anchors that GitHub makes of a page's headings. */
function anchorsOf(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!)
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

t.test('every link within the docs leads somewhere', async (t) => {
  const broken: string[] = []
  for await (const page of glob(['*.md', 'docs/**/*.md'], { cwd: root })) {
    const text = await readFile(join(root, page), 'utf8')
    for (const [, link] of text.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [path, anchor] = link!.split('#')
      const target = path ? join(root, dirname(page), path) : join(root, page)
      const found = existsSync(target) && (!anchor || anchorsOf(await readFile(target, 'utf8')).has(anchor))
      if (!found) broken.push(`${page}: ${link}`)
    }
  }
  t.same(broken, [])
})

t.test('pages that are written by name in the code exist', async (t) => {
  const missing: string[] = []
  for await (const file of glob('{bin,proxy,broker,server,common}/**/*.{ts,py}', { cwd: root })) {
    const text = await readFile(join(root, file), 'utf8')
    for (const [page] of text.matchAll(/\bdocs\/[\w/-]+\.md/g)) {
      if (!existsSync(join(root, page))) missing.push(`${file}: ${page}`)
    }
  }
  t.same(missing, [])
})
