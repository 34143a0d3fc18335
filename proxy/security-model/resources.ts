import { RexecError } from '../../common/errors.ts'
import type { Bounds, Profile, Resources, ServerRequest } from '../pipeline.ts'
import { isMultiple } from './profiles.ts'

/** The numbers of a server: what the request asks for within the profile's bounds, else the profile's defaults. */
export interface Sizes {
  resources: Resources
  replicas: number
  lifetimeSeconds: number
  idleSeconds: number
  concurrency: number
}

/** @throws resources_exceed_profile naming the field and its bounds; body_invalid for what is not such a number. */
export function approveSizes(profile: Profile, request: ServerRequest): Sizes {
  const asked: unknown = request.resources === undefined ? {} : request.resources
  if (typeof asked !== 'object' || asked === null || Array.isArray(asked)) {
    throw new RexecError('body_invalid', 'resources must be an object with cpu, memory and gpu.')
  }
  const { cpu, memory, gpu } = asked as Record<string, unknown>
  return {
    resources: {
      cpu: within('resources.cpu', profile.cpu, cpu, 0.001),
      memory: within('resources.memory', profile.memory, memory),
      gpu: within('resources.gpu', profile.gpu, gpu),
    },
    replicas: within('replicas', profile.replicas, request.replicas),
    lifetimeSeconds: within('lifetimeSeconds', profile.lifetimeSeconds, request.lifetimeSeconds),
    idleSeconds: within('idleSeconds', profile.idleSeconds, request.idleSeconds),
    concurrency: within('concurrency', profile.concurrency, request.concurrency),
  }
}

function within(field: string, { default: fallback, min, max }: Bounds, value: unknown, step = 1): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !Number.isFinite(value) || !isMultiple(value, step)) {
    const kind = step === 1 ? 'a whole number' : `a number in steps of ${step}`
    throw new RexecError('body_invalid', `${field} must be ${kind}.`)
  }
  if (value < min || value > max) {
    throw new RexecError('resources_exceed_profile', `${field} must be between ${min} and ${max}.`)
  }
  return value
}
