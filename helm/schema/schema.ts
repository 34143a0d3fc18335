import type { Value } from './comments.ts'
import type { Schema } from './settings.ts'
import { ChartValues } from './values.ts'

/** Of use in another chart that has this one among its dependencies. */
const OF_A_PARENT: Record<string, Schema> = {
  enabled: { type: 'boolean', description: 'For the condition of a chart that depends on this one.' },
  global: { type: 'object', description: 'What a chart that depends on this one gives to all its charts.' },
}

/**
 * helm/rexec/values.schema.json. Draft 7, which every Helm 3 and 4 knows. A description is what the comment in values.yaml
 * says; below proxy.config and broker.config it is that of the setting.
 */
export function valuesSchema(values: Value[]): Schema {
  const schema: Schema = JSON.parse(JSON.stringify(ChartValues))
  for (const { path, description, isDocumented } of values) {
    const found = schemaAt(schema, path)
    if (found && description) found.description = description
    if (!isDocumented || path.endsWith('.config')) keep(schema, path)
  }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: 'Made by `npm run docs` from helm/schema and the settings of the parts: do not edit.',
    ...withoutDefaults(schema),
    properties: { ...withoutDefaults(schema).properties, ...OF_A_PARENT },
  }
}

/**
 * "hub:" with nothing below it takes the defaults of the whole section away, at which templates would fail in words that
 * nobody understands.
 */
function keep(schema: Schema, path: string): void {
  const names = path.split('.')
  const name = names.pop()!
  const parent = names.length > 0 ? schemaAt(schema, names.join('.')) : schema
  if (parent) parent.required = [...(parent.required ?? []), name]
}

/** What the schema says of a dotted path. */
export function schemaAt(schema: Schema, path: string): Schema | undefined {
  return path.split('.').reduce<Schema | undefined>((here, name) => here?.properties?.[name], schema)
}

/** Defaults stand in values.yaml. */
function withoutDefaults({ default: _, ...schema }: Schema): Schema {
  return {
    ...schema,
    ...(schema.properties && {
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([name, child]) => [name, withoutDefaults(child)]),
      ),
    }),
  }
}
