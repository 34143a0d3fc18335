import type { TObject } from 'typebox'

/** What the generators need of a JSON schema. */
export interface Schema {
  [keyword: string]: unknown
  type?: string
  const?: unknown
  enum?: unknown[]
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  patternProperties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  required?: string[]
  default?: unknown
  description?: string
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
}

/** Dotted names of settings. */
export interface Elsewhere {
  /** The chart sets them, so they need not be given. */
  computed: string[]
  /** They must not be given here. A schema would quote a value that it refuses, so the chart's own check does it. */
  secret: string[]
}

/**
 * The schema of a part's settings as they stand in the values proxy.config and broker.config: only what is given, so
 * nothing is filled in, and what the chart knows need not be there.
 */
export function configSchema(settings: TObject, elsewhere: Elsewhere): Schema {
  return partial(settings as unknown as Schema, '', elsewhere)
}

function partial(schema: Schema, path: string, elsewhere: Elsewhere): Schema {
  const { default: _, required, ...rest } = schema
  if (elsewhere.secret.includes(path)) return { description: schema.description }
  const within = (name: string) => (path ? `${path}.${name}` : name)
  const known = [...elsewhere.computed, ...elsewhere.secret]
  const needed = required
    ?.filter((name) => schema.properties?.[name]?.default === undefined)
    .filter((name) => !known.some((other) => `${other}.`.startsWith(`${within(name)}.`)))
  return {
    ...rest,
    ...(needed?.length && { required: needed }),
    ...(schema.properties && {
      properties: mapValues(schema.properties, (child, name) => partial(child, within(name), elsewhere)),
    }),
    ...(schema.patternProperties && {
      patternProperties: mapValues(schema.patternProperties, (child) => partial(child, path, elsewhere)),
      additionalProperties: schema.additionalProperties ?? false,
    }),
    ...(schema.items && { items: partial(schema.items, `${path}[]`, elsewhere) }),
    ...(schema.anyOf && { anyOf: schema.anyOf.map((child) => partial(child, path, elsewhere)) }),
    ...(schema.pattern && withoutLookahead(schema.pattern)),
  }
}

/**
 * Helm is written in Go, whose regular expressions (RE2) know no lookahead: "^(?!kube-)[a-z]" becomes "^[a-z]" and not
 * "^kube-". Only such that stand at the beginning.
 */
export function withoutLookahead(pattern: string): Schema {
  const excluded: string[] = []
  let rest = pattern
  while (rest.startsWith('^(?!')) {
    const end = closing(rest, 1)
    excluded.push(`^${rest.slice(4, end)}`)
    rest = `^${rest.slice(end + 1)}`
  }
  return {
    pattern: rest,
    ...(excluded.length > 0 && { not: { anyOf: excluded.map((p) => ({ pattern: p })) } }),
  }
}

/** Where the bracket that opens at this place is closed again. */
function closing(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '(') depth += 1
    else if (text[at] === ')' && --depth === 0) return at
  }
  throw new Error(`unbalanced: ${text}`)
}

function mapValues<A, B>(
  record: Record<string, A>,
  change: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]))
}
