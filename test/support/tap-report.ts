import type { Readable } from 'node:stream'
import { Parser, type Result } from 'tap-parser'

/** What a run of tap came to, counted as tap does: every assertion, and every test that is skipped or has none. */
export interface Counts {
  passed: number
  failed: number
  /** The names of what failed, to be said once more at the end. */
  failures: string[]
  /** Tests that were left out, each with its reason. */
  skipped: string[]
}

/** What is said of a failure; `source` is left out, since `at` and the stack name the line. */
const DETAILS = ['message', 'diff', 'found', 'wanted', 'at', 'stack', 'exitCode', 'signal', 'expired']

/**
 * Reads what `tap run --reporter=tap` writes: a line for each test file as it ends, the whole of what failed, and the
 * coverage.
 * @param say is told each line
 */
export async function reportTap(stream: Readable, say: (line: string) => void): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, failures: [], skipped: [] }
  const parser = new Parser()
  count(parser, counts, say)
  parser.on('assert', ({ ok, name, time }: Result) => {
    say(`${ok ? 'ok  ' : 'FAIL'}  ${name}  ${((time ?? 0) / 1000).toFixed(1)} s`)
  })
  parser.on('extra', (text: string) => text.trim() && say(text.trimEnd()))
  parser.on('comment', (text: string) => /coverage/i.test(text) && say(text.trimEnd()))
  parser.on('bailout', (reason: string) => {
    counts.failed += 1
    counts.failures.push(`tap gave up: ${reason}`)
    say(`FAIL  tap gave up: ${reason}`)
  })
  for await (const chunk of stream) parser.write(chunk)
  await new Promise<void>((resolve) => parser.on('complete', () => resolve()).end())
  return counts
}

function count(parser: Parser, counts: Counts, say: (line: string) => void): void {
  /** The counts before the test whose own result comes next. */
  let before = { ...counts }
  parser.on('child', (child: Parser) => {
    before = { ...counts, skipped: [...counts.skipped] }
    count(child, counts, say)
  })
  parser.on('assert', (result: Result) => {
    const { ok, skip, todo, closingTestPoint } = result
    if (skip || todo) counts.skipped.push(`${result.fullname}: ${skip || todo}`)
    else if (ok) counts.passed += closingTestPoint && total(counts) > total(before) ? 0 : 1
    // A test fails with what failed in it, or else by itself: a time-out, an exit code, a plan that was not kept.
    else if (!closingTestPoint || counts.failed === before.failed) {
      counts.failed += 1
      counts.failures.push(result.fullname)
      say(`FAIL  ${result.fullname}${describe(result.diag ?? {})}`)
    }
  })
}

function total({ passed, failed, skipped }: Counts): number {
  return passed + failed + skipped.length
}

function describe(diagnostics: Record<string, unknown>): string {
  return DETAILS.filter((name) => name in diagnostics)
    .map((name) => {
      const value = diagnostics[name]
      const text = typeof value === 'string' ? value.trimEnd() : JSON.stringify(value)
      return `\n  ${name}:\n${text.replaceAll(/^/gm, '    ')}`
    })
    .join('')
}
