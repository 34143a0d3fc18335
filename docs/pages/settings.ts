import type { TSchema } from 'typebox'
import { BrokerSettings } from '../../broker/settings.ts'
import { AgentSettings } from '../../common/agent-settings.ts'
import type { Schema } from '../../helm/schema/settings.ts'
import { ProxySettings } from '../../proxy/settings.ts'

/** docs/reference/settings.md: every setting of the three parts with type, default, bounds and meaning. */
export function settingsPage(): string {
  return `# Settings

Each part reads one YAML or JSON file (\`--settings FILE\`). A wrong or unknown setting stops the start, and all problems
are named at once. Nested settings are written here with dots; \`[]\` stands for each item of a list and \`*\` for each
name of a map.

<!-- Made by \`npm run docs\` from the schemas: do not edit. -->

${section('Proxy', 'Read by `rexec proxy --settings FILE`.', ProxySettings)}
${section('Broker', 'Read by `rexec broker --settings FILE`.', BrokerSettings)}
${section('Agent', 'Written by the proxy for each server, read by `rexec agent --settings FILE`.', AgentSettings)}`
}

function section(title: string, use: string, schema: TSchema): string {
  const rows = settingsOf(schema as Schema).map(
    ([name, { type, fallback, meaning }]) => `| \`${name}\` | ${type} | ${fallback} | ${meaning} |`,
  )
  return `## ${title}

${use}

| setting | type | default | meaning |
|---|---|---|---|
${rows.join('\n')}
`
}

interface Row {
  type: string
  fallback: string
  meaning: string
}

/** The leaves of a schema in its own order; a list or map of objects is named first, then its fields. */
function settingsOf(schema: Schema, path = ''): [string, Row][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, child]): [string, Row][] => {
    const name = path ? `${path}.${key}` : key
    const required = schema.required?.includes(key) && child.default === undefined
    const fields = fieldsOf(child, name)
    if (fields.length > 0 && !child.description) return fields
    return [
      [name, { type: typeOf(child), fallback: fallback(child, required), meaning: meaning(child) }],
      ...fields,
    ]
  })
}

function fieldsOf(schema: Schema, name: string): [string, Row][] {
  if (schema.properties) return settingsOf(schema, name)
  if (schema.items) return fieldsOf(schema.items, `${name}[]`)
  const values = Object.values(schema.patternProperties ?? {})[0] ?? schema.additionalProperties
  return typeof values === 'object' ? fieldsOf(values, `${name}.*`) : []
}

/** In words, for a table. */
export function typeOf({ type, anyOf, enum: values, items, ...rest }: Schema): string {
  if (values)
    return values
      .filter(isSomething)
      .map((value) => `\`${value}\``)
      .join(', ')
  if (rest.const !== undefined) return `\`${rest.const}\``
  if (anyOf)
    return [...new Set(anyOf.filter(({ const: value }) => isSomething(value)).map(typeOf))].join(', ')
  if (type === 'array') return `list of ${items ? typeOf(items) : 'anything'}`
  if (type === 'object') return rest.properties ? 'object' : 'map'
  return type ?? 'anything'
}

/** An empty text stands for the lack of a value. */
const isSomething = (value: unknown) => value !== ''

function fallback({ default: value, properties }: Schema, required: boolean | undefined): string {
  if (value === undefined) return required ? '**required**' : 'none'
  if (typeof value === 'object' && value !== null && (properties || Object.keys(value).length > 3))
    return 'see below'
  return `\`${JSON.stringify(value)}\``
}

function meaning({ description = '', ...bounds }: Schema): string {
  const from = bounds.minimum ?? bounds.minLength ?? bounds.minItems
  const to = bounds.maximum ?? bounds.maxLength ?? bounds.maxItems
  const what =
    (bounds.minLength ?? bounds.maxLength)
      ? ' characters'
      : (bounds.minItems ?? bounds.maxItems)
        ? ' items'
        : ''
  const range =
    from === undefined
      ? to === undefined
        ? ''
        : `At most ${to}${what}.`
      : to === undefined
        ? ''
        : `${from} to ${to}${what}.`
  return [description, range].filter(Boolean).join(' ').replaceAll('|', '\\|').replaceAll('\n', ' ')
}
