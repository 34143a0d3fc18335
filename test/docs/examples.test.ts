import { readFile } from 'node:fs/promises'
import t from 'tap'
import { Type } from 'typebox'
import { loadSettings } from '../../common/settings.ts'
import { createAuthorize } from '../../proxy/authorize.ts'
import { IdentitySettings } from '../../proxy/identity/settings.ts'
import { parseRequirement } from '../../proxy/security-model/requirements/requirement.ts'
import { SecurityModelSettings } from '../../proxy/security-model/settings.ts'

const Parts = Type.Object(
  { identity: Type.Optional(IdentitySettings), securityModel: SecurityModelSettings },
  { additionalProperties: false },
)

/** The code blocks of a page that are in `language` ("" for none). */
async function blocks(page: string, language: string): Promise<string[]> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .filter(([, of]) => of === language)
    .map(([, , code]) => code!)
}

t.test('the settings shown to administrators are valid', async (t) => {
  for (const page of ['admin/identity.md', 'admin/security-model.md']) {
    for (const example of await blocks(page, 'yaml')) {
      t.doesNotThrow(() => createAuthorize(loadSettings(Parts, example).securityModel), page)
    }
  }
})

t.test('the requirements shown to users are accepted', async (t) => {
  const [file] = await blocks('user/requirements.md', '')
  const lines = file!.trim().split('\n')
  t.ok(lines.length > 3)
  for (const line of lines) t.doesNotThrow(() => parseRequirement(line), line)
})
