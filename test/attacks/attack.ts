import type { ErrorCode } from '../../common/errors.ts'
import type { Known } from './known.ts'

/** Something that a hostile user might send to POST /api/v1/servers, and how it must be refused. */
export interface Attack {
  /** What it tries, as the end of "a user tries to ...". */
  tries: string
  /** Part of the body; `json` is a body as text, for what no object literal can say. */
  request?: object
  json?: string
  /** What the security model says. */
  code: ErrorCode
  /** What the service says, where the form of the request keeps it from the model. */
  http?: ErrorCode
}

/** Attacks of one kind: each value is put into a request by `request`. */
export function attacks<T>(
  code: ErrorCode,
  request: (value: T) => object,
  cases: Record<string, T>,
  http?: ErrorCode,
): Attack[] {
  return Object.entries(cases).map(([tries, value]) => ({
    tries,
    request: request(value),
    code,
    ...(http && { http }),
  }))
}

/** What comes back for the bytes sent: the code or else the status of each answer, such as "body_invalid" or "200 404". */
export type Answers = string

/** Something that is sent byte by byte, as a user who has a token (mallory) or as nobody. */
export interface WireAttack {
  tries: string
  send(known: Known): string | Buffer
  answers: Answers
  /** Who sends it; without: mallory, or nobody. */
  as?: string
  /** The user in whose own namespace it may make or change things; without: nothing anywhere. */
  mayChange?: string
  /** What must not stand in any answer, beside what belongs to others (scene.ts). */
  hides?: string
}

/** Something that lies in the cluster already when a request comes. It must stay as it is, unless the attack heals. */
export interface PlantedAttack extends WireAttack {
  /** Objects that an administrator has made beforehand. */
  plant: object[]
  /** They are being deleted but do not go: each has a finalizer. */
  deleting?: boolean
  /** What was planted is put right by the request. */
  heals?: boolean
}
