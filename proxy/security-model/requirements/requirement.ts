import { readMarker } from './marker.ts'
import { Scanner } from './scanner.ts'
import { readSpecifiers } from './version.ts'

/** A dependency specifier (packaging.python.org: dependency-specifiers, once PEP 508) without URLs. */
export interface Requirement {
  /** Lower-case with single hyphens, as indexes compare names: pip takes "x.zip" for a file, but never "x-zip". */
  name: string
  /** The whole requirement, written again from what was understood: this is what gets installed. */
  text: string
}

const NAME = /[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?/y

/** @throws RequirementSyntaxError */
export function parseRequirement(source: string): Requirement {
  const scanner = new Scanner(source)
  const foreign = /[^ -~]/.exec(source)
  if (foreign) scanner.fail('only plain ASCII characters may stand in a requirement', foreign.index)
  const name = scanner
    .expect(NAME, 'expected a package name')
    .replace(/[-_.]+/g, '-')
    .toLowerCase()
  const extras = readExtras(scanner)
  const specifiers = readVersionConditions(scanner)
  const marker = scanner.takeNext(/;/y) ? `; ${readMarker(scanner)}` : ''
  if (!scanner.atEnd) scanner.fail('expected the end, a version condition, or ";" and a marker')
  return { name, text: name + (extras.length > 0 ? `[${extras}]` : '') + specifiers + marker }
}

/** Lower-case but otherwise as written: older installers know extras only in the package's own spelling. */
function readExtras(scanner: Scanner): string[] {
  const extras = new Set<string>()
  if (!scanner.takeNext(/\[/y)) return []
  if (scanner.takeNext(/\]/y)) return []
  do extras.add(scanner.expect(NAME, 'expected the name of an extra').toLowerCase())
  while (scanner.takeNext(/,/y))
  scanner.expect(/\]/y, 'expected "," or "]"')
  return [...extras].sort()
}

function readVersionConditions(scanner: Scanner): string {
  if (scanner.takeNext(/\(/y)) {
    const specifiers = readSpecifiers(scanner)
    scanner.expect(/\)/y, 'expected "," or ")"')
    return specifiers.join(',')
  }
  if (scanner.atEnd || scanner.text[scanner.position] === ';') return ''
  if (scanner.text[scanner.position] === '@') scanner.fail('URLs are not allowed')
  return readSpecifiers(scanner).join(',')
}
