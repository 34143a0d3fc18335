import { RexecError } from '../../common/errors.ts'
import type { Cluster, LaunchOptions, LogOptions, NamespaceChange } from '../../proxy/cluster/cluster.ts'
import type { Namespace, Phase, ServerStatus, User } from '../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../proxy/security-model/approve.ts'

/** A cluster that starts nothing: servers are states that a test sets, and every failure can be had. */
export class FakeCluster implements Cluster {
  readonly kind = 'local'
  /** Servers by "user/name". */
  readonly servers = new Map<string, ServerStatus>()
  /** What was asked for, in order: "start alice/default". */
  readonly calls: string[] = []
  /** Credentials given to agents. */
  readonly credentials: string[] = []
  /** Lines that every server has logged. */
  lines = ['one', 'two']
  /** Thrown by every method from here on. */
  failure: Error | undefined
  readonly #namespaces = new Set<string>()
  #changes = Promise.withResolvers<void>()

  /** Puts a server into a state and tells those who watch. */
  set(user: string, name: string, phase: Phase, message = ''): void {
    const key = `${user}/${name}`
    this.servers.set(key, { ...this.servers.get(key)!, phase, message })
    this.#changes.resolve()
    this.#changes = Promise.withResolvers()
  }

  async ensureNamespace(user: User, noted?: (change: NamespaceChange) => void): Promise<Namespace> {
    await this.#act(`namespace ${user.name}`)
    const namespace = { name: `folder-of-${user.name}`, owner: user.name }
    if (!this.#namespaces.has(user.name)) noted?.({ action: 'namespace.make', namespace: namespace.name })
    this.#namespaces.add(user.name)
    return namespace
  }

  async start(
    { owner }: Namespace,
    server: ApprovedServer,
    { credential }: LaunchOptions,
  ): Promise<ServerStatus> {
    const key = `${owner}/${server.name}`
    await this.#act(`start ${key}`)
    if (this.servers.has(key)) throw new RexecError('server_differs', 'The name is taken.')
    this.credentials.push(credential)
    const { interpreter: _i, env: _e, lifetimeSeconds, idleSeconds: _s, ...fields } = server
    const status: ServerStatus = {
      ...fields,
      requirements: [...server.requirements],
      phase: 'starting',
      message: 'Starting.',
      createdAt: new Date().toISOString(),
      expiresAt: new Date(Date.now() + lifetimeSeconds * 1000).toISOString(),
    }
    this.servers.set(key, status)
    return status
  }

  async list(user: User): Promise<ServerStatus[]> {
    await this.#act(`list ${user.name}`)
    return [...this.servers.values()].filter((server) => server.user === user.name)
  }

  async get(user: User, name: string): Promise<ServerStatus | undefined> {
    await this.#act(`get ${user.name}/${name}`)
    return this.servers.get(`${user.name}/${name}`)
  }

  async stop(user: User, name: string): Promise<void> {
    await this.#act(`stop ${user.name}/${name}`)
    if (!this.servers.delete(`${user.name}/${name}`)) throw new RexecError('server_not_found')
  }

  async *logs(_user: User, _name: string, { follow, signal }: LogOptions): AsyncGenerator<string> {
    try {
      yield* this.lines
      if (follow) await aborted(signal)
    } finally {
      this.calls.push('logs ended')
    }
  }

  async *watch(user: User, name: string, signal: AbortSignal): AsyncGenerator<ServerStatus> {
    try {
      while (!signal.aborted) {
        const changed = this.#changes.promise
        const status = this.servers.get(`${user.name}/${name}`)
        if (!status) return
        yield status
        if (status.phase === 'stopped' || status.phase === 'failed') return
        await Promise.race([changed, aborted(signal)])
      }
    } finally {
      this.calls.push('watch ended')
    }
  }

  async check(): Promise<void> {
    if (this.failure) throw this.failure
  }

  async close(): Promise<void> {}

  async #act(call: string): Promise<void> {
    // Lets others run in between, as a real cluster would.
    await new Promise(setImmediate)
    if (this.failure) throw this.failure
    this.calls.push(call)
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}
