import { RexecError } from '../../../common/errors.ts'
import { SettingsError } from '../../../common/settings.ts'
import type { SecurityModelSettings } from '../settings.ts'
import { parseRequirement, type Requirement } from './requirement.ts'
import { RequirementSyntaxError } from './scanner.ts'

type Limits = SecurityModelSettings['requirements']

/**
 * The requirements of a server in normal form, sorted, each once, and with the base requirements. Several of one
 * package stay, as they may have different markers; the installer takes all of them as conditions, as pip does.
 * @throws requirement_invalid, limit_exceeded
 */
export function approveRequirements(asked: unknown, base: readonly Requirement[], limits: Limits): string[] {
  const list: unknown = asked === undefined ? [] : asked
  if (!Array.isArray(list)) throw new RexecError('body_invalid', 'requirements must be a list of texts.')
  if (list.length > limits.maxCount) {
    throw new RexecError('limit_exceeded', `requirements has more than ${limits.maxCount} entries.`)
  }
  const own = Array.from(list, (text: unknown, index) => approveOne(`requirements[${index}]`, text, limits))
  const names = new Set(own.map(({ name }) => name))
  const added = base.filter(({ name }) => !names.has(name))
  return [...new Set([...own, ...added].map(({ text }) => text))].sort()
}

function approveOne(field: string, text: unknown, { maxLength }: Limits): Requirement {
  if (typeof text !== 'string') throw new RexecError('requirement_invalid', `${field} must be a text.`)
  if (text.length > maxLength) {
    throw new RexecError('limit_exceeded', `${field} has more than ${maxLength} characters.`)
  }
  const requirement = parse(text, (problem) => {
    throw new RexecError('requirement_invalid', `${field}: ${problem}.`)
  })
  if (requirement.name === 'python') {
    throw new RexecError(
      'requirement_invalid',
      `${field}: Python is no package; name its version in "python".`,
    )
  }
  return requirement
}

/** The base requirements of the settings. @throws SettingsError */
export function baseRequirements(base: readonly string[]): Requirement[] {
  return base.map((text, index) =>
    parse(text, (problem) => {
      throw new SettingsError([`securityModel.requirements.base.${index}: ${problem}`])
    }),
  )
}

function parse(text: string, refuse: (problem: string) => never): Requirement {
  try {
    return parseRequirement(text)
  } catch (error) {
    if (error instanceof RequirementSyntaxError) refuse(error.message)
    throw error
  }
}
