import { createHash } from 'node:crypto'
import type { Grant, Resources, ServerRequest } from '../pipeline.ts'
import { approveEnv } from './env.ts'
import { approveImage } from './image.ts'
import type { PodSettings } from './pod-settings.ts'
import { chooseProfile, profilesOf } from './profiles.ts'
import { approvePython } from './python.ts'
import { approveRequirements, baseRequirements } from './requirements/requirements.ts'
import { approveSizes } from './resources.ts'
import { approveServerName } from './server-name.ts'
import type { SecurityModelSettings } from './settings.ts'

/** What a server is, in approved values. */
interface ServerFields {
  readonly user: string
  readonly name: string
  readonly profile: string
  readonly python: string
  /** Interpreter (local) or image (Kubernetes): the profile's for this Python version, or the approved image. */
  readonly interpreter: string
  /** The profile's; what it is does not depend on the request. */
  readonly pod: Readonly<PodSettings>
  /** Normal form, sorted; the base requirements of the settings are among them. */
  readonly requirements: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly resources: Readonly<Resources>
  readonly replicas: number
  readonly lifetimeSeconds: number
  readonly idleSeconds: number
  readonly concurrency: number
  /** SHA-256 (hex) over Python version and requirements: names the installed environment. */
  readonly environmentDigest: string
  /** SHA-256 (hex) over everything above: equal means that a running server can be used again. */
  readonly digest: string
}

/**
 * The proof of approval. A protected field makes a type nominal: no literal has it, no copy with changes keeps it, and
 * the class stays in this module, so that nobody else can make one.
 */
class Approval {
  declare protected readonly approved: true
}

/** A server that the security model has approved, frozen. Nobody but this module can make one. */
export type ApprovedServer = Approval & ServerFields

export interface SecurityModel {
  /**
   * Turns what a user asks for into what is going to run, or refuses.
   * @throws RexecError with a code of the group "is the request allowed", its detail naming the field
   */
  approve(grant: Grant, request: ServerRequest): ApprovedServer
}

/** @throws SettingsError when profiles or base requirements make no sense */
export function createSecurityModel(settings: SecurityModelSettings): SecurityModel {
  const profiles = profilesOf(settings.profiles)
  const base = baseRequirements(settings.requirements.base)
  return {
    approve(grant, request) {
      const profile = chooseProfile(profiles, grant, request.profile)
      const { python, interpreter } = approvePython(profile, request.python)
      const requirements = approveRequirements(request.requirements, base, settings.requirements)
      const fields = {
        user: grant.user.name,
        name: approveServerName(request.name, settings.names.maxLength),
        profile: profile.name,
        python,
        interpreter: request.image === undefined ? interpreter : approveImage(profile, request.image),
        pod: profile.pod,
        requirements: Object.freeze(requirements),
        env: Object.freeze(approveEnv(request.env, settings.env)),
        ...approveSizes(profile, request),
        environmentDigest: sha256([python, requirements]),
      }
      Object.freeze(fields.resources)
      const server: ApprovedServer = Object.assign(new Approval(), fields, { digest: sha256(fields) })
      Object.freeze(server)
      return server
    },
  }
}

/** The order of the keys is that of the code above; requirements and env are sorted. */
function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
