import { RexecError } from '../../common/errors.ts'
import type { Profile } from '../pipeline.ts'

/**
 * The Python version of a request, one that the profile offers. A pickled function needs the Python it was made with,
 * so there is no guessing: without a version the profile must have a single one.
 * @throws python_not_allowed
 */
export function approvePython(profile: Profile, python: unknown): { python: string; interpreter: string } {
  const offered = Object.keys(profile.pythons).sort(byMinor)
  const wanted = python === undefined && offered.length === 1 ? offered[0] : python
  if (wanted === undefined && offered.length > 0) {
    throw new RexecError(
      'python_not_allowed',
      `python: name the version that you call from, of ${list(offered)}.`,
    )
  }
  const interpreter =
    typeof wanted === 'string' && offered.includes(wanted) ? profile.pythons[wanted] : undefined
  if (interpreter === undefined) {
    throw new RexecError('python_not_allowed', `python: this profile offers ${list(offered)}.`)
  }
  return { python: wanted as string, interpreter }
}

function byMinor(a: string, b: string): number {
  return Number(a.split('.')[1]) - Number(b.split('.')[1])
}

function list(versions: string[]): string {
  return versions.join(', ') || 'no version'
}
