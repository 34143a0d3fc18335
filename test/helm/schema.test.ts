import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { parse } from 'yaml'
import { BrokerSettings } from '../../broker/settings.ts'
import { commentedValues } from '../../helm/schema/comments.ts'
import { schemaAt, valuesSchema } from '../../helm/schema/schema.ts'
import { configSchema, type Schema, withoutLookahead } from '../../helm/schema/settings.ts'
import { ProxySettings } from '../../proxy/settings.ts'

const root = join(import.meta.dirname, '../..')
const text = await readFile(join(root, 'helm/rexec/values.yaml'), 'utf8')
const values = commentedValues(text)
const schema = valuesSchema(values)

/** Dotted names of what a schema has properties for, down to the given ones. */
function pathsOf(schema: Schema, ends: (path: string) => boolean, within = ''): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const path = within ? `${within}.${name}` : name
    const below = ends(path) ? [] : pathsOf(child, ends, path)
    return below.length > 0 ? below : [path]
  })
}

type Tree = { [name: string]: unknown }

/** As Helm does it: what is given goes over the defaults. */
function merged(defaults: Tree, given: Tree): Tree {
  const isTree = (value: unknown): value is Tree =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
  const over = Object.entries(given).map(([name, value]) => {
    const fallback = defaults[name]
    return [name, isTree(value) && isTree(fallback) ? merged(fallback, value) : value]
  })
  return { ...defaults, ...Object.fromEntries(over) }
}

t.test('values.yaml and its schema name the same values', async (t) => {
  const documented = values.filter(({ isDocumented }) => isDocumented).map(({ path }) => path)
  t.same(
    pathsOf(schema, (path) => documented.includes(path)).sort(),
    [...documented, 'enabled', 'global'].sort(),
  )
})

t.test('every value is described', async (t) => {
  for (const { path, isDocumented, fallback, description } of values) {
    const isSection = typeof fallback === 'object' && fallback !== null && !isDocumented
    t.ok(isSection || (isDocumented && description.length > 4), `${path}: "# -- …" stands above it`)
    if (isDocumented) t.equal(schemaAt(schema, path)?.description, description, path)
  }
})

t.test('the defaults are valid', async (t) => {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)
  validate(parse(text))
  t.same(validate.errors, null)
})

t.test(
  'no object takes a name that the schema does not know, but for what Kubernetes or others check',
  async (t) => {
    const open: string[] = []
    const look = (part: Schema, path: string): void => {
      if (part.type === 'object' && part.additionalProperties !== false) open.push(path)
      for (const [name, child] of Object.entries(part.properties ?? {})) look(child, `${path}.${name}`)
      for (const child of Object.values(part.patternProperties ?? {})) look(child, `${path}.*`)
      for (const child of part.anyOf ?? []) look(child, path)
      if (part.items) look(part.items, `${path}[]`)
    }
    look(schema, '')
    // These belong to Kubernetes and the Prometheus operator.
    const foreign =
      /(Selector|Affinity|affinity|ipBlock|valueFrom|extraVolumes\[\]|elabelings\[\]|\.network\.\w+\[\])$/
    t.same(
      open.filter((path) => !foreign.test(path)),
      ['.global'],
    )
  },
)

t.test('values and settings on the pages for admins are valid', async (t) => {
  const validate = new Ajv({ strict: false, allErrors: true }).compile(schema)
  const pages = {
    values: ['image', 'install', 'monitoring', 'rbac', '../../helm/rexec/README'],
    settings: ['hub', 'identity', 'security-model'],
  }
  for (const page of [...pages.values, ...pages.settings]) {
    const markdown = await readFile(join(root, `docs/admin/${page}.md`), 'utf8')
    const blocks = [...markdown.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, block]) => parse(block!))
    t.ok(blocks.length > 0, page)
    for (const block of blocks) {
      const given = pages.values.includes(page) ? block : { proxy: { config: block } }
      validate(merged(parse(text), given))
      t.same(validate.errors ?? [], [], `${page}: ${Object.keys(block)}`)
    }
  }
})

t.test('proxy.config and broker.config have every setting, and nothing in them is required', async (t) => {
  const parts = { 'proxy.config': ProxySettings, 'broker.config': BrokerSettings }
  for (const [name, settings] of Object.entries(parts)) {
    const config = schemaAt(schema, name)!
    const isSecret = (path: string) => !schemaAt(config, path)?.type
    t.same(pathsOf(config, isSecret), pathsOf(settings as unknown as Schema, isSecret), name)
    t.equal(config.required, undefined)
    t.notMatch(JSON.stringify(config), /"default":[^{]/, 'no defaults')
  }
  const identity = schemaAt(schema, 'proxy.config.identity')!
  t.equal(identity.required, undefined)
  t.equal(identity.properties!.jupyterhub!.required, undefined, 'the chart knows the hub')
  t.same(identity.properties!.identityApi!.required, ['url'])
})

t.test('a secret is nothing that the schema looks at: it would quote it', async (t) => {
  const config = configSchema(ProxySettings, { computed: [], secret: ['broker.credential'] })
  t.same(Object.keys(schemaAt(config, 'broker.credential')!), ['description'])
  t.notOk(schemaAt(config, 'broker')!.required?.includes('credential'))
})

t.test('patterns become such that Go understands', async (t) => {
  const cases = {
    '^(?!kube-)[a-z]+$': { pattern: '^[a-z]+$', not: { anyOf: [{ pattern: '^kube-' }] } },
    '^(?!/)(?!.*(^|/)x(/|$)).+$': {
      pattern: '^.+$',
      not: { anyOf: [{ pattern: '^/' }, { pattern: '^.*(^|/)x(/|$)' }] },
    },
    '^(?!\\))a$': { pattern: '^a$', not: { anyOf: [{ pattern: '^\\)' }] } },
    '^a(b)?$': { pattern: '^a(b)?$' },
  }
  for (const [pattern, expected] of Object.entries(cases))
    t.same(withoutLookahead(pattern), expected, pattern)
  t.throws(() => withoutLookahead('^(?!a'), /unbalanced/)
  t.notMatch(JSON.stringify(schema), /\(\?[!=<]/, 'none is left')
})
