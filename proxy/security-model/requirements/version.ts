import type { Scanner } from './scanner.ts'

/**
 * Versions and version specifiers (packaging.python.org: version-specifiers, once PEP 440), in their normal spelling:
 * "1.0-ALPHA.1" becomes "1.0a1". Trailing zeros stay, since they mean something to "~=".
 */
const PUBLIC = [
  'v?(?:(?<epoch>[0-9]+)!)?(?<release>[0-9]+(?:\\.[0-9]+)*)',
  '(?:[-_.]?(?<pre>alpha|beta|preview|pre|a|b|c|rc)[-_.]?(?<preN>[0-9]*))?',
  '(?:-(?<postN>[0-9]+)|[-_.]?(?<post>post|rev|r)[-_.]?(?<postM>[0-9]*))?',
  '(?:[-_.]?(?<dev>dev)[-_.]?(?<devN>[0-9]*))?',
].join('')
const VERSION = new RegExp(`^${PUBLIC}(?:\\+(?<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`, 'i')
const WILDCARD = /^v?(?:(?<epoch>[0-9]+)!)?(?<release>[0-9]+(?:\.[0-9]+)*)\.\*$/i
const PRE_NAMES: Record<string, string> = { alpha: 'a', a: 'a', beta: 'b', b: 'b' }

/** The version in its normal spelling, or undefined when it is none. */
export function normalizeVersion(text: string): string | undefined {
  const groups = VERSION.exec(text.toLowerCase())?.groups
  if (!groups) return undefined
  const { pre, preN, post, postN, postM, dev, devN, local } = groups
  return [
    release(groups),
    pre === undefined ? '' : `${PRE_NAMES[pre] ?? 'rc'}${number(preN)}`,
    post === undefined && postN === undefined ? '' : `.post${number(postN ?? postM)}`,
    dev === undefined ? '' : `.dev${number(devN)}`,
    local === undefined ? '' : `+${local.split(/[-_.]/).map(segment).join('.')}`,
  ].join('')
}

function release({ epoch, release }: Record<string, string | undefined>): string {
  const start = epoch === undefined || number(epoch) === '0' ? '' : `${number(epoch)}!`
  return start + release!.split('.').map(number).join('.')
}

function number(digits: string | undefined): string {
  return BigInt(digits || '0').toString()
}

function segment(text: string): string {
  return /^[0-9]+$/.test(text) ? number(text) : text
}

/** Reads "1 clause, 2 clause, ...", up to something else. Sorted, each once: the order means nothing. */
export function readSpecifiers(scanner: Scanner): string[] {
  const specifiers = new Set<string>()
  do specifiers.add(readSpecifier(scanner))
  while (scanner.takeNext(/,/y))
  const all = [...specifiers].sort()
  // packaging reads everything after "===" as its version, commas too.
  if (all.length > 1 && all.some((specifier) => specifier.startsWith('==='))) {
    scanner.fail('"===" must be the only version condition')
  }
  return all
}

function readSpecifier(scanner: Scanner): string {
  const operator = scanner.expect(/===|==|~=|!=|<=|>=|<|>/y, 'expected ==, ~=, !=, <=, >=, < or >')
  const text = scanner.expect(/[A-Za-z0-9.+!*_-]+/y, `expected a version after "${operator}"`)
  const start = scanner.position - text.length
  const version = operator === '==' || operator === '!=' ? versionOrWildcard(text) : normalizeVersion(text)
  if (version === undefined) {
    scanner.fail(`what follows "${operator}" is not a version that may stand there`, start)
  }
  if (version.includes('+') && !['==', '!=', '==='].includes(operator)) {
    scanner.fail(`a local version (with "+") cannot follow "${operator}"`, start)
  }
  if (operator === '~=' && !/[0-9]\.[0-9]/.test(version))
    scanner.fail('"~=" needs a version such as 1.4', start)
  // "===" compares texts, so its version keeps its spelling.
  return operator + (operator === '===' ? text.toLowerCase() : version)
}

function versionOrWildcard(text: string): string | undefined {
  const groups = WILDCARD.exec(text)?.groups
  return groups ? `${release(groups)}.*` : normalizeVersion(text)
}
