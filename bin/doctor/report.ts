import { styleText } from 'node:util'
import type { Level, Result } from './check.ts'

const SIGNS: Record<Level, string> = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' }
const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const

/** A line for each finding under its group's name, what to do in the next line, and a count at the end. */
export function asText(results: readonly Result[], colour: { stream: NodeJS.WriteStream }): string {
  const lines: string[] = []
  for (const [group, found] of Map.groupBy(results, (result) => result.group)) {
    lines.push(`\n${group}`)
    for (const { level, what, todo } of found) {
      lines.push(`  ${styleText(STYLES[level], SIGNS[level], colour)}  ${oneLine(what)}`)
      if (todo) lines.push(`        -> ${oneLine(todo)}`)
    }
  }
  const count = (level: Level) => results.filter((result) => result.level === level).length
  lines.push(`\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} wrong`)
  return `${lines.join('\n')}\n`
}

/** For programs: whether all is well, and every finding. */
export function asJson(results: readonly Result[]): string {
  return `${JSON.stringify({ ok: isWell(results), results }, null, 2)}\n`
}

/** Warnings do not keep it from working. */
export function isWell(results: readonly Result[]): boolean {
  return results.every(({ level }) => level !== 'fail')
}

/** What others have written stays in its line, and moves no cursor. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}
