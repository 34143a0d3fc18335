import { RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'

export type AuditLog = Pick<Logger, 'info'>

/** Who did what to what. Nothing here is secret: names, and ids of tokens, never tokens. */
export interface Act {
  readonly action:
    | 'server.start'
    | 'server.stop'
    | 'token.make'
    // A browser has logged in at the hub.
    | 'session.begin'
    // By rexec itself (cluster/kubernetes/reconciler.ts): a Job ended for good, one cleared away.
    | 'server.fail'
    | 'server.clear'
    | 'namespace.delete'
  /** Whom it is about; who did it as well, unless `actor` says otherwise. */
  readonly user: string
  server?: string | undefined
  readonly actor?: 'rexec'
  /** Why rexec did it by itself. */
  readonly reason?: string
}

/**
 * Does a privileged act and leaves one log line with `audit` about it, whether it is done, refused or fails. The log
 * is the request's, so the line carries the request id. The work fills in what it learns of the act: a name that was
 * asked for is worth logging once it is known to be one.
 */
export async function audited<T extends { outcome: string }>(
  log: AuditLog,
  act: Act,
  work: (act: Act) => Promise<T>,
): Promise<T> {
  try {
    const result = await work(act)
    log.info({ audit: { ...act, outcome: result.outcome } }, 'audit')
    return result
  } catch (error) {
    const refused = error instanceof RexecError && error.status < 500
    const code = error instanceof RexecError ? error.code : 'internal'
    log.info({ audit: { ...act, outcome: refused ? 'refused' : 'failed', code } }, 'audit')
    throw error
  }
}
