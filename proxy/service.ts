import type { Logger } from '../common/logger.ts'
import type { Registry } from '../common/metrics.ts'
import type { Signer, Verifier } from '../common/tokens.ts'
import type { AuditAccess } from './audit.ts'
import type { Authorize } from './authorize.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { Identities } from './identity/identities.ts'
import type { Servers } from './servers.ts'
import type { Logins } from './session/logins.ts'
import type { Sessions } from './session/session.ts'
import type { ProxySettings } from './settings.ts'

/** What the service is built from; the composition root (main.ts, bin/local.ts, a test) makes them. */
export interface Parts {
  settings: ProxySettings
  identities: Pick<Identities, 'authenticate' | 'check'>
  cluster: Cluster
  signer: Signer
  verify: Verifier
  logger: Logger
  registry: Registry
  /** Aborts when the process has been told to end: it serves on for a while, but no more is to be sent here. */
  closing?: AbortSignal
}

/** What every route is given. */
export interface Service extends Parts {
  authorize: Authorize
  auditAccess: AuditAccess
  servers: Servers
  sessions: Sessions
  /** Undefined where no hub is set up for it. */
  logins: Logins | undefined
}
