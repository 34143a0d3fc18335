import { RexecError } from '../../../common/errors.ts'

/** What the API server says when it refuses (metav1.Status), as far as it is used. */
export interface Refusal {
  reason?: string
  message?: string
  details?: { kind?: string; causes?: { reason?: string; message?: string }[]; retryAfterSeconds?: number }
}

/** A request that the API server refused, or (without `status`) did not answer. It never holds what was sent. */
export class ApiError extends Error {
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined
  readonly refusal: Refusal

  constructor(status: number | undefined, refusal: Refusal, options: { cause?: unknown } = {}) {
    const said = refusal.message ?? refusal.reason ?? 'no reason given'
    super(`Kubernetes ${status === undefined ? 'did not answer' : `answered ${status}`}: ${said}`, options)
    this.name = 'ApiError'
    this.status = status
    this.refusal = refusal
  }
}

/** RBAC's sentence; every other 403 comes from admission. */
const NO_RIGHT = / cannot \S+ resource /

const is = (error: unknown, status: number) => error instanceof ApiError && error.status === status

export const isNotFound = (error: unknown): boolean => is(error, 404)

/** The object was changed meanwhile, or is not the one (uid, resourceVersion) that was meant. */
export const isConflict = (error: unknown): boolean =>
  (is(error, 409) && (error as ApiError).refusal.reason !== 'AlreadyExists') ||
  // What a patch says of another uid.
  (is(error, 422) && /: metadata\.uid: Invalid value: /.test((error as ApiError).message))

export const isAlreadyExists = (error: unknown): boolean =>
  is(error, 409) && (error as ApiError).refusal.reason === 'AlreadyExists'

/** The resourceVersion that a watch asked for is forgotten: list again. */
export const isGone = (error: unknown): boolean => is(error, 410)

/** Such as the type of a Secret: only another object can have another one. */
export const isImmutable = (error: unknown): boolean =>
  is(error, 422) && /: field is immutable/.test((error as ApiError).message)

/** A ValidatingAdmissionPolicy says no; for our own account, helm/rexec/templates/rbac may have said it. */
export const isPolicyRefusal = (error: unknown): boolean =>
  (is(error, 403) || is(error, 422)) && / ValidatingAdmissionPolicy '/.test((error as ApiError).message)

/** The service account has not been given the right. */
export const isNoRight = (error: unknown): boolean =>
  is(error, 403) && NO_RIGHT.test((error as ApiError).message)

/** A ResourceQuota is new, and until its controller has counted, the API server refuses whatever it limits. */
export const isQuotaUncounted = (error: unknown): boolean =>
  is(error, 403) && /status unknown for quota/.test((error as ApiError).message)

/** Nothing new can be made in the namespace: it is gone or about to be. */
export function isNamespaceGone(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false
  const { details } = error.refusal
  return (
    (isNotFound(error) && details?.kind === 'namespaces') ||
    details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true
  )
}

const MAX_DETAIL = 1000

/** What a user is told of a failed request; what an admin needs is the cause, for the log. */
export function asRexecError(error: unknown): RexecError {
  if (error instanceof RexecError) return error
  if (!(error instanceof ApiError)) return new RexecError('internal', undefined, { cause: error })
  const { status, refusal } = error
  const { message = '', details } = refusal
  const cause = { cause: error }
  if (isNamespaceGone(error)) {
    return new RexecError('namespace_not_ready', 'It is being deleted.', cause)
  }
  if (isQuotaUncounted(error)) {
    return new RexecError('namespace_not_ready', 'Its quota has not been counted yet.', cause)
  }
  if (status === 403 && !isNoRight(error)) {
    const quota = quotaDetail(message)
    if (quota) return new RexecError('quota_exceeded', quota, cause)
    return new RexecError('admission_refused', sentenceOf(message), cause)
  }
  // What fits no schema of Kubernetes comes from the settings of a profile; admission policies may answer so too.
  if (status === 400 || status === 413 || status === 422) {
    return new RexecError('admission_refused', sentenceOf(message), cause)
  }
  return new RexecError('cluster_unavailable', undefined, {
    ...cause,
    retryAfter: details?.retryAfterSeconds,
  })
}

/**
 * What a ResourceQuota lacks, in plain words; undefined for other messages. The text is that of the API server:
 * "... exceeded quota: NAME, requested: a=1,b=2, used: a=3,b=4, limited: a=3,b=5".
 */
export function quotaDetail(message: string): string | undefined {
  const lacking = /failed quota: (.*)/s.exec(message)?.[1]
  if (lacking) return sentenceOf(`The quota ${lacking}`)
  const [, quota, requested, used, limited] =
    // No part holds a colon: so it takes time in proportion to the text, which others may have written.
    /exceeded quota: ([^\s:]+), requested: ([^:]*), used: ([^:]*), limited: ([^:]*)/.exec(message) ?? []
  if (!quota) return undefined
  const [before, limits] = [amounts(used!), amounts(limited!)]
  const lines = Object.entries(amounts(requested!)).map(
    ([what, asked]) => `${what}: ${asked} asked for, ${before[what] ?? '?'} of ${limits[what] ?? '?'} used`,
  )
  return sentenceOf(`The quota "${quota}" of the namespace is exceeded (${lines.join('; ')})`)
}

function amounts(text: string): Record<string, string> {
  return Object.fromEntries(text.split(',').map((pair) => pair.trim().split('=', 2) as [string, string]))
}

function sentenceOf(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim().slice(0, MAX_DETAIL)
  return /[.!?]$/.test(line) ? line : `${line}.`
}
