import type { Scanner } from './scanner.ts'

/**
 * Environment markers: and, or, parentheses and comparisons of variables with texts, written again with only the
 * parentheses that they need.
 */
const VARIABLES = [
  'python_version',
  'python_full_version',
  'os_name',
  'sys_platform',
  'platform_release',
  'platform_system',
  'platform_version',
  'platform_machine',
  'platform_python_implementation',
  'implementation_name',
  'implementation_version',
  'extra',
]
const VARIABLE = new RegExp(`(?:${VARIABLES.join('|')})(?![A-Za-z0-9_.])`, 'y')
/** Narrower than the grammar: no character that a requirements file or a shell would read in its own way. */
const TEXT = /"[A-Za-z0-9 .,_+*!:/()~<>=-]*"|'[A-Za-z0-9 .,_+*!:/()~<>=-]*'/y

/** A marker in its normal form; `joined` tells by what its top level is joined. */
interface Marker {
  text: string
  joined: 'and' | 'or' | undefined
}

/** Reads a marker up to something else. */
export function readMarker(scanner: Scanner): string {
  return readOr(scanner).text
}

function readOr(scanner: Scanner): Marker {
  return readJoined(scanner, 'or', readAnd)
}

function readAnd(scanner: Scanner): Marker {
  return readJoined(scanner, 'and', readAtom)
}

function readJoined(scanner: Scanner, joined: 'and' | 'or', readPart: (scanner: Scanner) => Marker): Marker {
  const first = readPart(scanner)
  const parts = [first]
  const word = new RegExp(`${joined}(?![A-Za-z0-9_])`, 'y')
  while (scanner.takeNext(word)) parts.push(readPart(scanner))
  if (parts.length === 1) return first
  const texts = parts.map(({ text, joined: inner }) =>
    joined === 'and' && inner === 'or' ? `(${text})` : text,
  )
  return { text: texts.join(` ${joined} `), joined }
}

function readAtom(scanner: Scanner): Marker {
  if (scanner.takeNext(/\(/y)) {
    const marker = readOr(scanner)
    scanner.expect(/\)/y, 'expected ")"')
    return marker
  }
  const left = readOperand(scanner)
  const operator = scanner.expect(
    /===|==|~=|!=|<=|>=|<|>|in(?![A-Za-z0-9_])|not +in(?![A-Za-z0-9_])/y,
    'expected a comparison such as ==, >=, in or not in',
  )
  const right = readOperand(scanner)
  return { text: `${left} ${operator.replace(/ +/, ' ')} ${right}`, joined: undefined }
}

function readOperand(scanner: Scanner): string {
  const variable = scanner.takeNext(VARIABLE)
  if (variable) return variable
  const text = scanner.expect(
    TEXT,
    'expected a marker variable such as python_version, or a plain text in quotes',
  )
  return `"${text.slice(1, -1)}"`
}
