import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Static, TObject } from 'typebox'
import { parse } from 'yaml'

/** Settings that do not fit their schema: all problems at once, each with the setting's name. */
export class SettingsError extends Error {
  readonly problems: readonly string[]

  constructor(problems: string[]) {
    super(
      `The settings have ${problems.length === 1 ? 'a problem' : 'problems'}:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    )
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/**
 * Turns the text of a YAML or JSON file into a finished settings object with all defaults filled in.
 * `overrides` are dotted names with values (secrets from files or the environment), `fallbacks` the same for what the
 * text leaves out.
 * @throws SettingsError naming every setting that is unknown, missing or out of its bounds.
 */
export function loadSettings<T extends TObject>(
  schema: T,
  text: string,
  overrides: Record<string, unknown> = {},
  fallbacks: Record<string, unknown> = {},
): Static<T> {
  let settings: unknown
  try {
    settings = parse(text) ?? {}
  } catch (error) {
    throw new SettingsError([`not valid YAML or JSON: ${(error as Error).message.split('\n', 1)[0]}`])
  }
  return checkSettings(schema, settings, overrides, fallbacks)
}

/** The same for settings that are already an object. The object is not changed. */
export function checkSettings<T extends TObject>(
  schema: T,
  input: unknown,
  overrides: Record<string, unknown> = {},
  fallbacks: Record<string, unknown> = {},
): Static<T> {
  const settings = structuredClone(input)
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new SettingsError(['the file must hold names and values'])
  }
  for (const [name, value] of Object.entries(overrides)) set(settings, name.split('.'), () => value)
  for (const [name, value] of Object.entries(fallbacks)) set(settings, name.split('.'), (had) => had ?? value)
  const validate = validatorOf(schema)
  if (validate(settings)) return settings as Static<T>
  throw new SettingsError(problemsOf(validate.errors ?? []))
}

/** Compiling takes ten milliseconds, and the agent's settings are checked at each start of a server. */
const validators = new WeakMap<TObject, ValidateFunction>()

function validatorOf(schema: TObject): ValidateFunction {
  const known = validators.get(schema)
  if (known) return known
  const ajv = new Ajv({ allErrors: true, useDefaults: true, strict: true, strictTypes: false })
  // A section's own default says what it is when the section above leaves it out.
  const validate = ajv.compile({ ...schema, default: undefined })
  validators.set(schema, validate)
  return validate
}

/** One line for each wrong setting, with all forms that it may have. Values are not named: they may be secret. */
function problemsOf(errors: ErrorObject[]): string[] {
  return [...Map.groupBy(errors, ({ instancePath }) => instancePath).values()].flatMap((errors) => {
    const forms = errors.filter(({ keyword }) => keyword !== 'anyOf')
    if (forms.length === errors.length) return errors.map((error) => `${nameOf(error)}: ${problemOf(error)}`)
    return [`${nameOf(forms[0]!)}: ${forms.map(problemOf).join(' or ')}`]
  })
}

/** The setting with dots, from a JSON pointer (RFC 6901). */
function nameOf({ instancePath, params }: ErrorObject): string {
  const path = instancePath.split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  return [...path, params.additionalProperty, params.missingProperty].filter(Boolean).join('.') || 'settings'
}

function problemOf({ keyword, message, params }: ErrorObject): string {
  if (keyword === 'additionalProperties') return 'no such setting'
  if (keyword === 'required') return 'required'
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`
  return message ?? keyword
}

/** Where a section is no section, the check says so. */
function set(target: unknown, [head, ...rest]: string[], change: (had: unknown) => unknown): void {
  if (head === undefined || typeof target !== 'object' || target === null) return
  const section = target as Record<string, unknown>
  if (rest.length === 0) section[head] = change(section[head])
  else {
    section[head] ??= {}
    set(section[head], rest, change)
  }
}
