import { RexecError } from '../../common/errors.ts'
import { SettingsError } from '../../common/settings.ts'
import type { Bounds, Grant, Profile } from '../pipeline.ts'
import { problemOfPattern } from './image.ts'
import { problemsOfPod } from './pod-rules.ts'
import { parseQuantity } from './quantity.ts'
import type { ProfileSettings } from './settings.ts'

const BOUNDED = ['cpu', 'memory', 'gpu', 'replicas', 'lifetimeSeconds', 'idleSeconds', 'concurrency'] as const

/** The profiles as set, in plain numbers. @throws SettingsError naming every field that makes no sense. */
export function profilesOf(settings: readonly ProfileSettings[]): Profile[] {
  const problems: string[] = []
  const names = new Set<string>()
  const profiles = settings.map((profile, index) => {
    const report = (problem: string) => problems.push(`securityModel.profiles.${index}.${problem}`)
    if (names.has(profile.name)) report('name: used by another profile')
    names.add(profile.name)
    const bounds = {} as Record<(typeof BOUNDED)[number], Bounds>
    for (const field of BOUNDED) {
      const { min, default: fallback, max } = profile[field]
      bounds[field] = { min: parseQuantity(min), default: parseQuantity(fallback), max: parseQuantity(max) }
      const { min: low, default: middle, max: high } = bounds[field]
      if (low > middle || middle > high) {
        report(`${field}: min, default and max must not decrease`)
      }
      const [least, step] = field === 'cpu' ? [0.001, 0.001] : [field === 'gpu' ? 0 : 1, 1]
      if (low < least || [low, middle, high].some((value) => !isMultiple(value, step))) {
        report(`${field}: values must be multiples of ${step}, from ${least}`)
      }
    }
    const { name, description, pythons, groups, images, imagesByDigest, pod } = profile
    images.forEach((pattern, place) => {
      const problem = problemOfPattern(pattern, imagesByDigest)
      if (problem) report(`images.${place}: ${problem}`)
    })
    for (const problem of problemsOfPod(pod)) report(`pod.${problem}`)
    return { name, description, pythons, groups, images, imagesByDigest, pod, ...bounds }
  })
  if (problems.length > 0) throw new SettingsError(problems)
  return profiles
}

/** Whether a number has no finer part than `step` (1 or 0.001). */
export function isMultiple(value: number, step: number): boolean {
  return step === 1 ? Number.isSafeInteger(value) : Math.round(value * 1000) / 1000 === value
}

/**
 * The profile of a request: the one that it names, else the first one that is open to the user.
 * @throws profile_unknown, profile_not_allowed
 */
export function chooseProfile(all: readonly Profile[], grant: Grant, name: unknown): Profile {
  const wanted = name === undefined ? grant.profiles[0]?.name : name
  if (wanted === undefined) throw new RexecError('profile_not_allowed', 'No profile is open to you.')
  const profile = all.find((profile) => profile.name === wanted)
  if (!profile) throw new RexecError('profile_unknown', 'profile: no such profile.')
  if (!grant.profiles.some((open) => open.name === profile.name)) throw new RexecError('profile_not_allowed')
  return profile
}
