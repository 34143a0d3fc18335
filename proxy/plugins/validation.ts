import { RexecError } from '../../common/errors.ts'

/** For Fastify's ajv: what is not in the schema is refused, nothing is converted or taken out. */
export const ajvOptions = {
  customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false, verbose: true },
} as const

/** What is read of ajv's errors; with `verbose` it adds the schema that the value was held against. */
interface Problem {
  instancePath: string
  keyword: string
  message?: string
  params: Record<string, unknown>
  parentSchema?: { properties?: object; [keyword: string]: unknown }
}

/**
 * The error for a part of a request that does not fit its schema. It names fields of the schema only, never a name or
 * value that was sent: any of them may be a secret.
 */
export function explain(problems: Problem[], part: string | undefined): RexecError {
  if (part === 'params') return new RexecError('server_not_found')
  const [problem] = problems
  return new RexecError(
    part === 'querystring' ? 'query_invalid' : 'body_invalid',
    problem && sentenceOf(problem),
  )
}

function sentenceOf({ instancePath, keyword, message, params, parentSchema }: Problem): string {
  const [, field, ...within] = instancePath.split('/')
  // Below the first level names may be the sender's (env); places in lists are not.
  const path = [field, ...within.map((step) => (/^\d+$/.test(step) ? step : '*'))].filter(Boolean).join('.')
  const place = path ? `${path} ` : 'It '
  if (keyword === 'additionalProperties') {
    const names = Object.keys(parentSchema?.properties ?? {})
    return names.length === 0 ? `${place}takes nothing.` : `${place}may have only: ${names.join(', ')}.`
  }
  if (keyword === 'enum') return `${place}must be one of: ${(params.allowedValues as string[]).join(', ')}.`
  if (keyword === 'propertyNames' || keyword === 'pattern') return `${place}has a form that is not allowed.`
  return `${place}${message}.`
}
