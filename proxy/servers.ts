import { RexecError } from '../common/errors.ts'
import { Counter, type Registry } from '../common/metrics.ts'
import type { Signer } from '../common/tokens.ts'
import { type Act, type AuditLog, auditDone, audited } from './audit.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { Grant, ServerRequest, ServerStatus, User } from './pipeline.ts'
import type { SecurityModel } from './security-model/approve.ts'
import type { FollowStart } from './start-times.ts'
import { createTurns } from './turns.ts'

export type StartOutcome = 'started' | 'reused' | 'replaced'

export interface Servers {
  /**
   * The end of the pipeline: approve -> ensureNamespace -> start. Answers at once; the server is not ready yet.
   * A live server with the same digest is used again, another one is replaced when the request says so; one that
   * has ended gives way.
   * @throws what the security model refuses; server_differs, server_limit_reached, namespace_not_owned
   */
  start(
    grant: Grant,
    request: ServerRequest,
    log: AuditLog,
  ): Promise<{ outcome: StartOutcome; server: ServerStatus }>
  /** @throws server_not_found */
  get(user: User, name: string): Promise<ServerStatus>
  list(user: User): Promise<ServerStatus[]>
  /** Resolves when the name is free. @throws server_not_found */
  stop(user: User, name: string, log: AuditLog): Promise<void>
}

/** A server that has ended holds its name, state and log until another takes its place. */
export function hasEnded({ phase }: ServerStatus): boolean {
  return phase === 'stopped' || phase === 'failed'
}

export function createServers(
  { approve }: SecurityModel,
  cluster: Cluster,
  signer: Signer,
  registry: Registry,
  limits: { serversPerUser: number; startsPerUser: number; credentialMarginSeconds: number },
  followStart: FollowStart,
): Servers {
  const inTurn = createTurns(limits.startsPerUser)
  const starts = new Counter({
    name: 'rexec_server_starts_total',
    help: 'Requests for a server that were granted, by what came of them',
    labelNames: ['outcome'],
    registers: [registry],
  })

  async function start(grant: Grant, request: ServerRequest, act: Act, log: AuditLog) {
    const { user } = grant
    const approved = approve(grant, request)
    act.server = approved.name
    const servers = await cluster.list(user)
    const existing = servers.find(({ name }) => name === approved.name)
    const live = existing !== undefined && !hasEnded(existing)
    if (live && existing.phase !== 'stopping') {
      if (existing.digest === approved.digest) return { outcome: 'reused' as const, server: existing }
      if (!request.replace) throw new RexecError('server_differs')
    }
    const others = servers.filter((server) => server !== existing && !hasEnded(server))
    if (others.length >= limits.serversPerUser) throw new RexecError('server_limit_reached')

    const namespace = await cluster.ensureNamespace(user, (change) =>
      auditDone(log, { ...change, user: user.name }, 'done'),
    )
    const lifetime = approved.lifetimeSeconds + limits.credentialMarginSeconds
    const claims = { user: user.name, server: approved.name }
    const { credential } = await audited(log, { action: 'credential.make', ...claims }, async (act) => {
      const made = await signer.sign('server', claims, lifetime)
      act.tokenId = made.id
      return { outcome: 'made', credential: made.token }
    })
    if (existing) await clear(user, approved.name)
    const server = await cluster.start(namespace, approved, { credential })
    void followStart(user, server)
    return { outcome: live ? ('replaced' as const) : ('started' as const), server }
  }

  /** Frees a name; that the server is gone by itself meanwhile is as good. */
  async function clear(user: User, name: string): Promise<void> {
    await cluster.stop(user, name).catch((error) => {
      if (!(error instanceof RexecError && error.code === 'server_not_found')) throw error
    })
  }

  async function get(user: User, name: string): Promise<ServerStatus> {
    const server = await cluster.get(user, name)
    if (!server) throw new RexecError('server_not_found')
    return server
  }

  return {
    start: (grant, request, log) =>
      audited(log, { action: 'server.start', user: grant.user.name }, (act) =>
        // Two requests at once must not both find the name free.
        inTurn(grant.user.name, async () => {
          const result = await start(grant, request, act, log)
          starts.inc({ outcome: result.outcome })
          return result
        }),
      ),

    get,

    list: (user) => cluster.list(user),

    async stop(user, name, log) {
      await audited(log, { action: 'server.stop', user: user.name }, (act) =>
        inTurn(user.name, async () => {
          act.server = (await get(user, name)).name
          await cluster.stop(user, name)
          return { outcome: 'stopped' }
        }),
      )
    },
  }
}
