import { CONCLUSION, isAsExpected, type Outcome } from './run.ts'

const WIDTHS = [22, 64, 24, 24]

export const TITLES = line(['kind', 'a user tries to', 'expected', 'got', 'objects changed'])

/** A line of the table; what is not as expected stands out. */
export function row(outcome: Outcome): string {
  const { kind, tries, expected, got, changed, own, leaked } = outcome
  const mark = isAsExpected(outcome) ? '' : ' <- NOT AS EXPECTED'
  const objects = changed.length > 0 ? changed.map(printable).join(', ') : own > 0 ? `${own} of its own` : '-'
  const leak = leaked ? ' and something LEAKED' : ''
  return (
    line([kind, printable(tries), expected || 'closed', printable(got) || 'closed', objects]) + leak + mark
  )
}

export function summary(outcomes: readonly Outcome[]): string {
  const attacks = outcomes.filter(({ tries }) => tries !== CONCLUSION)
  const missed = outcomes.filter((outcome) => !isAsExpected(outcome))
  const changed = outcomes.flatMap(({ changed }) => changed).length
  const leaked = outcomes.filter(({ leaked }) => leaked).length
  return (
    `${attacks.length} attacks: ${attacks.filter(isAsExpected).length} ended as they must; ${missed.length} misses; ` +
    `${changed} objects changed that may not, ${leaked} answers held what is not the sender's.`
  )
}

function line(cells: string[]): string {
  return cells.map((cell, index) => cell.padEnd(WIDTHS[index] ?? 0)).join('  ')
}

/** What attacks are called holds what they try. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`)
}
