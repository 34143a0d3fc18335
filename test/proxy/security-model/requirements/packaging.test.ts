import t from 'tap'
import { parseRequirement } from '../../../../proxy/security-model/requirements/requirement.ts'
import { RequirementSyntaxError } from '../../../../proxy/security-model/requirements/scanner.ts'
import { requirementAttacks } from '../../../attacks/requirements.ts'
import { askPackaging } from '../../../support/packaging.ts'
import { mutated, ordinary } from './generated.ts'
import { WRITTEN } from './written.ts'

/** Our normal form, or null when we refuse. */
function ours(source: string): string | null {
  try {
    return parseRequirement(source).text
  } catch (error) {
    if (error instanceof RequirementSyntaxError) return null
    throw error
  }
}

/** What we refuse although packaging takes it, each on purpose (docs/user/requirements.md). */
const STRICTER: [why: string, pattern: RegExp][] = [
  ['only plain ASCII', /[^ -~]/],
  ['=== only alone', /===.*,|,.*===/],
  ['=== only with a version', /===/],
  ['no trailing comma', /,\s*\)?\s*(;|$)/],
  ['no empty parentheses', /\(\s*\)/],
  ['no name or extra that ends in "_"', /_(?![A-Za-z0-9._-])/],
  ['marker texts without special characters', /["'][^"']*[^A-Za-z0-9 .,_+*!:/()~<>="'-][^"']*["']/],
  ['marker texts without the other quote', /"[^"]*'[^"]*"|'[^']*"[^']*'/],
  [
    'no old or lock file marker variables',
    /\b(os\.name|sys\.platform|platform\.\w+|(?<!platform_)python_implementation|extras|dependency_groups)\b/,
  ],
]

async function compare(sources: string[]) {
  const judgements = await askPackaging(sources.map((source) => [source, ours(source)]))
  return sources.map((source, index) => ({ source, ours: ours(source), ...judgements[index]! }))
}

t.test('what we accept, packaging accepts, and our normal form means the same to it', async (t) => {
  const results = await compare([
    ...WRITTEN.good,
    ...WRITTEN.bad,
    ...requirementAttacks.flatMap(({ request }) =>
      Object.values(request!)
        .flat()
        .filter((text) => typeof text === 'string'),
    ),
    ...ordinary(1500, 1),
    ...mutated(4000, 2),
  ])
  t.same(
    results.filter((result) => result.ours !== null && !(result.accepted && result.same)),
    [],
  )
  t.ok(results.filter((result) => result.ours !== null).length > 1000, 'enough was accepted')
  t.ok(results.filter((result) => result.ours === null).length > 1000, 'enough was refused')
})

t.test('what packaging accepts, we accept, but for URLs and what is stricter on purpose', async (t) => {
  const results = await compare([...WRITTEN.good, ...ordinary(1500, 3), ...mutated(4000, 4)])
  const refused = results.filter((result) => result.accepted && !result.url && result.ours === null)
  t.same(
    refused.filter(({ source }) => !STRICTER.some(([, pattern]) => pattern.test(source))),
    [],
  )
})

t.test('the ordinary ones that people write are accepted', async (t) => {
  t.same(
    WRITTEN.good.filter((source) => ours(source) === null),
    [],
  )
  t.same(
    WRITTEN.bad.filter((source) => ours(source) !== null),
    [],
  )
})

t.test('a normal form is its own normal form', async (t) => {
  for (const source of [...WRITTEN.good, ...ordinary(500, 5)]) {
    const once = ours(source)
    if (once !== null) t.equal(ours(once), once)
  }
})
