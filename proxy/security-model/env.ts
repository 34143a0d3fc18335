import { RexecError } from '../../common/errors.ts'
import type { SecurityModelSettings } from './settings.ts'

const NAME = /^[A-Z_][A-Z0-9_]*$/

/**
 * The environment variables of a request, sorted by name. Neither a name nor a value is repeated in an error: the
 * entry's number stands for it, since a secret may have been written on the wrong side.
 * @throws env_invalid, limit_exceeded
 */
export function approveEnv(env: unknown, limits: SecurityModelSettings['env']): Record<string, string> {
  if (env === undefined) return {}
  if (typeof env !== 'object' || env === null || Array.isArray(env)) {
    throw new RexecError('body_invalid', 'env must be an object of names and texts.')
  }
  const entries = Object.entries(env)
  if (entries.length > limits.maxCount) {
    throw new RexecError('limit_exceeded', `env has more than ${limits.maxCount} variables.`)
  }
  let total = 0
  entries.forEach(([name, value], index) => {
    const entry = `env, entry ${index + 1}:`
    checkName(entry, name, limits)
    total += name.length + checkValue(entry, value, limits.maxValueBytes)
  })
  if (total > limits.maxTotalBytes) {
    throw new RexecError('limit_exceeded', `env has more than ${limits.maxTotalBytes} bytes in all.`)
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function checkName(entry: string, name: string, limits: SecurityModelSettings['env']): void {
  if (name.length > limits.maxNameLength) {
    throw new RexecError(
      'limit_exceeded',
      `${entry} the name has more than ${limits.maxNameLength} characters.`,
    )
  }
  if (!NAME.test(name)) throw new RexecError('env_invalid', `${entry} the name has other characters.`)
  const prefix = limits.deniedPrefixes.find((prefix) => name.startsWith(prefix))
  if (prefix) throw new RexecError('env_invalid', `${entry} names that begin with ${prefix} are reserved.`)
  if (limits.deniedNames.includes(name)) throw new RexecError('env_invalid', `${entry} ${name} is reserved.`)
}

/** Bytes of the value. */
function checkValue(entry: string, value: unknown, maxBytes: number): number {
  if (typeof value !== 'string') throw new RexecError('env_invalid', `${entry} the value must be a text.`)
  if (value.includes('\0')) throw new RexecError('env_invalid', `${entry} the value holds a NUL character.`)
  if (!value.isWellFormed()) throw new RexecError('env_invalid', `${entry} the value is not valid Unicode.`)
  const bytes = Buffer.byteLength(value)
  if (bytes > maxBytes)
    throw new RexecError('limit_exceeded', `${entry} the value has more than ${maxBytes} bytes.`)
  return bytes
}
