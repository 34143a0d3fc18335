import type { Result } from '../../../bin/doctor/check.ts'
import { asJson } from '../../../bin/doctor/report.ts'
import { examine, type Viewpoint } from '../../../bin/doctor.ts'

export interface Diagnosis {
  results: Result[]
  /** All of it as JSON. */
  text: string
  /** What one check found, such as "fail: …", a line for each finding. */
  found(group: string, check: string): string
  /** "group/check" of everything that is wrong. */
  wrong: string[]
}

/** What `rexec doctor` finds with these variables. */
export async function diagnose(
  from: Viewpoint,
  env: Record<string, string | undefined> = {},
  seconds = 60,
): Promise<Diagnosis> {
  const results = await examine(from, env, seconds)
  return {
    results,
    text: asJson(results),
    found: (group, check) =>
      results
        .filter((result) => result.group === group && result.check === check)
        .map(({ level, what }) => `${level}: ${what}`)
        .join('\n'),
    wrong: results.filter(({ level }) => level === 'fail').map(({ group, check }) => `${group}/${check}`),
  }
}
