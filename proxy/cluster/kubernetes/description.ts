import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { ApprovedServer } from '../../security-model/approve.ts'

/**
 * What a server is, as the annotation DESCRIPTION of its Job holds it. It is for showing: a user who may edit the own
 * Jobs can put anything there, so nothing is decided by it but whether a server of the same user is used again.
 */
const Description = Type.Object({
  profile: Type.String(),
  python: Type.String(),
  requirements: Type.Array(Type.String()),
  resources: Type.Object({ cpu: Type.Number(), memory: Type.Number(), gpu: Type.Number() }),
  replicas: Type.Integer(),
  concurrency: Type.Integer(),
  // Beyond this no date can be made of it.
  lifetimeSeconds: Type.Integer({ minimum: 0, maximum: 1e12 }),
  environmentDigest: Type.String(),
  digest: Type.String(),
})

export type Description = Static<typeof Description>

/** Compiled, and fields copied by hand: each look at all servers reads thousands of these. */
const description = Compile(Description)

export function describe(server: ApprovedServer): string {
  return JSON.stringify(fieldsOf(server))
}

/** Undefined for what describe() has not written. */
export function readDescription(text: string | undefined): Description | undefined {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return description.Check(value) ? fieldsOf(value) : undefined
  } catch {
    return undefined
  }
}

/** The fields above and no others. */
function fieldsOf({ resources: { cpu, memory, gpu }, ...server }: Readonly<ServerFields>): Description {
  const { profile, python, requirements, replicas, concurrency, lifetimeSeconds } = server
  const { environmentDigest, digest } = server
  return {
    ...{ profile, python, requirements: [...requirements], resources: { cpu, memory, gpu } },
    ...{ replicas, concurrency, lifetimeSeconds, environmentDigest, digest },
  }
}

/** As Description, of frozen lists too. */
type ServerFields = Omit<Description, 'requirements'> & { requirements: readonly string[] }
