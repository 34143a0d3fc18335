import { RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import { Recent } from './identity/recent.ts'

export type AuditLog = Pick<Logger, 'info'>

/** Every act that leaves a line; docs/admin/operating.md tells administrators of each. */
export const ACTIONS = [
  'server.start',
  'server.stop',
  'token.make',
  'credential.make',
  'session.begin',
  'session.end',
  // Somebody known was not let in.
  'access',
  // For the start of a server: the user's namespace was made, or an object in it that somebody had changed put back.
  'namespace.make',
  'namespace.restore',
  // By rexec itself (cluster/kubernetes/reconciler.ts): a Job ended for good, one cleared away.
  'server.fail',
  'server.clear',
  'namespace.delete',
] as const

/** Who did what to what. Nothing here is secret: names, and ids of tokens, never tokens. */
export interface Act {
  readonly action: (typeof ACTIONS)[number]
  /** Whom it is about; who did it as well, unless `actor` says otherwise. Missing when nobody can tell. */
  readonly user: string | undefined
  server?: string | undefined
  readonly actor?: 'rexec'
  /** Why rexec did it by itself. */
  readonly reason?: string
  readonly namespace?: string
  /** The kind of the object that was put back. */
  readonly object?: string
  /** The `jti` of the token that was made. */
  tokenId?: string
  /** So many lines of the same about this user were left out since the last one. */
  leftOut?: number
}

/**
 * Does a privileged act and leaves one log line with `audit` about it, whether it is done, refused or fails. The log
 * is the request's, so the line carries the request id. The work fills in what it learns of the act: a name that was
 * asked for is worth logging once it is known to be one.
 */
export async function audited<T extends { outcome: string }>(
  log: AuditLog,
  act: Act,
  work: (act: Act) => Promise<T> | T,
): Promise<T> {
  try {
    const result = await work(act)
    auditDone(log, act, result.outcome)
    return result
  } catch (error) {
    auditRefusal(log, act, error)
    throw error
  }
}

/** The line about an act that is done. */
export function auditDone(log: AuditLog, act: Act, outcome: string): void {
  log.info({ audit: { ...act, outcome } }, 'audit')
}

/** The line about an act that was refused, or failed. */
export function auditRefusal(log: AuditLog, act: Act, error: unknown): void {
  const refused = error instanceof RexecError && error.status < 500
  const code = error instanceof RexecError ? error.code : 'internal'
  log.info({ audit: { ...act, outcome: refused ? 'refused' : 'failed', code } }, 'audit')
}

/** So many users who were refused are remembered, each for a day: beyond that, what was left out is not told. */
const MAX_REFUSED = 10_000
const REFUSED_SECONDS = 86_400

export type AuditAccess = (log: AuditLog, user: string, error: unknown) => void

/** A line about somebody known who is not let in: one in `seconds` for each, since nothing stops them from asking. */
export function createAccessAudit(seconds: number, now = () => performance.now()): AuditAccess {
  const refused = new Recent<{ next: number; leftOut: number }>({
    seconds: Math.max(seconds, REFUSED_SECONDS),
    maxEntries: MAX_REFUSED,
    now,
  })
  return (log, user, error) => {
    const last = refused.get(user)
    if (last && now() < last.next) {
      last.leftOut++
      return
    }
    const leftOut = last?.leftOut ?? 0
    auditRefusal(log, { action: 'access', user, ...(leftOut > 0 && { leftOut }) }, error)
    refused.set(user, { next: now() + seconds * 1000, leftOut: 0 })
  }
}
