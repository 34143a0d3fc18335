import type { Namespace, ServerStatus, User } from '../pipeline.ts'
import type { ApprovedServer } from '../security-model/approve.ts'

/** What a backend needs beside the approved server to start it. */
export interface LaunchOptions {
  /** The server credential (JWT) for its agent. */
  credential: string
}

/** For the audit: the namespace was made, or what somebody had changed in it (the kind of object) was put back. */
export interface NamespaceChange {
  action: 'namespace.make' | 'namespace.restore'
  namespace: string
  object?: string
}

export interface LogOptions {
  /** Go on until the server ends or `signal` aborts. */
  follow: boolean
  signal: AbortSignal
}

/**
 * Where servers run. Two implementations: `local` (child processes, no isolation) and `kubernetes`.
 * Every method takes the user or the namespace made for the user, so that nothing of another user can be named.
 * All reject with RexecError (cluster_unavailable when the backend is away).
 */
export interface Cluster {
  readonly kind: 'local' | 'kubernetes'
  /** Finds or makes the user's namespace; `noted` hears of what had to be changed. @throws namespace_not_owned */
  ensureNamespace(user: User, noted?: (change: NamespaceChange) => void): Promise<Namespace>
  /** Starts a server and answers at once; it is not ready yet. The name must be free (see stop). */
  start(namespace: Namespace, server: ApprovedServer, options: LaunchOptions): Promise<ServerStatus>
  /** All servers of the user, also failed and stopped ones that have not been cleared away. */
  list(user: User): Promise<ServerStatus[]>
  get(user: User, name: string): Promise<ServerStatus | undefined>
  /** Stops a server and resolves when its name is free. @throws server_not_found */
  stop(user: User, name: string): Promise<void>
  /** Lines of the server's log. @throws server_not_found */
  logs(user: User, name: string, options: LogOptions): AsyncIterable<string>
  /**
   * The status now and after each change, until the server has ended or `signal` aborts. Without `lines` it may leave out
   * what an installer says meanwhile, if hearing of it costs something. @throws server_not_found
   */
  watch(user: User, name: string, signal: AbortSignal, lines?: boolean): AsyncIterable<ServerStatus>
  /** Rejects with cluster_unavailable when nothing can be started. For /readyz. */
  check(): Promise<void>
  /** Ends what belongs to this process. */
  close(): Promise<void>
}
