import type { Schema } from '../../helm/schema/settings.ts'

/** Texts that fit the patterns of settings and are the default of none. */
const TEXTS = [
  'sample',
  '/a/b',
  'https://host.example',
  'https://host.example/base/',
  'tcp://host.example:7',
  'sample-',
  '7',
  '192.0.2.0/24',
  'a.example/b',
  '3.14',
  'sample-text-that-is-long-enough-for-a-secret',
]

/**
 * Settings that fit the schema, each other than its default, so that one sees whether all arrive.
 * @param skip dotted names that are left out
 */
export function sampleOf(schema: Schema, skip: string[] = [], path = ''): unknown {
  if (schema.enum) return schema.enum.findLast((value) => value !== schema.default)
  if (schema.const !== undefined) return schema.const
  if (schema.anyOf) return sampleOf({ default: schema.default, ...schema.anyOf.at(-1) }, skip, path)
  switch (schema.type) {
    case 'boolean':
      return !schema.default
    case 'integer':
    case 'number':
      return numberOf(schema)
    case 'string':
      return textOf(schema, path)
    case 'array':
      // What chooses parts of the settings chooses all.
      return schema.uniqueItems && schema.items?.enum
        ? schema.items.enum
        : [sampleOf(schema.items!, skip, `${path}[]`)]
    case 'object':
      return objectOf(schema, skip, path)
  }
  throw new Error(`${path}: what would be a value of it?`)
}

function numberOf({ default: fallback, minimum = 1, maximum = Infinity }: Schema): number {
  const next = typeof fallback === 'number' ? fallback + 1 : minimum
  return next <= maximum ? next : maximum - 1
}

function textOf(
  { pattern = '', minLength = 0, maxLength = Infinity, default: fallback }: Schema,
  path: string,
) {
  const found = TEXTS.find(
    (text) =>
      text !== fallback &&
      new RegExp(pattern).test(text) &&
      text.length >= minLength &&
      text.length <= maxLength,
  )
  if (found === undefined) throw new Error(`${path}: none of TEXTS fits ${pattern}`)
  return found
}

function objectOf(schema: Schema, skip: string[], path: string): object {
  const known = Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const within = path ? `${path}.${name}` : name
    return skip.includes(within) ? [] : [[name, sampleOf(child, skip, within)]]
  })
  const free = Object.entries(schema.patternProperties ?? {}).map(([pattern, child]) => [
    textOf({ pattern }, path),
    sampleOf(child, skip, `${path}.*`),
  ])
  if (schema.additionalProperties === true) return { anyKey: 1 }
  return Object.fromEntries([...known, ...free])
}
