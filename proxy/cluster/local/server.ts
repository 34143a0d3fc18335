import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentSettings } from '../../../common/agent-settings.ts'
import { checkSettings } from '../../../common/settings.ts'
import type { ServerStatus } from '../../pipeline.ts'
import type { ApprovedServer } from '../../security-model/approve.ts'
import { Changes } from '../changes.ts'
import { together } from '../phases.ts'
import { LogFile } from './log-file.ts'
import { Replica, socketIn } from './replica.ts'

export interface ServerOptions {
  server: ApprovedServer
  credential: string
  /** The server's own folder; what an earlier server left in it is removed. */
  folder: string
  environmentsFolder: string
  /** Short path, unique for this server, that its replicas' runtime folders begin with. */
  runtime: string
  stateFolder: string
  brokers: string[]
  agentCommand: readonly string[]
  /** Variables for the worker beside the user's own. */
  env: Readonly<Record<string, string>>
  drainSeconds: number
  logLevel: string
}

/** One server: its replicas, its log and its status. */
export class LocalServer {
  readonly log: LogFile
  readonly changes = new Changes()
  /** Resolves when no process of the server is left. */
  readonly ended: Promise<void>
  readonly #options: ServerOptions
  readonly #replicas: Replica[]
  #end: Promise<void> | undefined
  #removed: Promise<void> | undefined
  readonly #createdAt = Date.now()

  private constructor(options: ServerOptions) {
    this.#options = options
    this.log = new LogFile(join(options.folder, 'server.log'))
    const { replicas } = options.server
    this.#replicas = Array.from({ length: replicas }, (_, index) => this.#startReplica(index + 1))
    this.ended = Promise.all(this.#replicas.map((replica) => replica.ended)).then(async () => {
      await rm(credentialIn(options.folder), { force: true }).catch((error: Error) =>
        this.log.write(error.message),
      )
      this.log.end()
      this.changes.notify()
    })
  }

  /** Writes the server's files and starts its processes; it is not ready yet. */
  static async start(options: ServerOptions): Promise<LocalServer> {
    const { folder, credential } = options
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await mkdir(options.environmentsFolder, { recursive: true, mode: 0o700 })
    await writeFile(credentialIn(folder), credential, { mode: 0o600 })
    return new LocalServer(options)
  }

  status(): ServerStatus {
    const { server } = this.#options
    const { phase, message, code } = together(this.#replicas.map((replica) => replica.state))!
    return {
      name: server.name,
      user: server.user,
      phase,
      message,
      ...(code && { code }),
      profile: server.profile,
      python: server.python,
      requirements: [...server.requirements],
      resources: { ...server.resources },
      replicas: server.replicas,
      concurrency: server.concurrency,
      environmentDigest: server.environmentDigest,
      digest: server.digest,
      createdAt: new Date(this.#createdAt).toISOString(),
      expiresAt: new Date(this.#createdAt + server.lifetimeSeconds * 1000).toISOString(),
    }
  }

  /** Ends all replicas. The log stays. */
  end(): Promise<void> {
    this.#end ??= Promise.all(this.#replicas.map((replica) => replica.stop())).then(() => this.ended)
    return this.#end
  }

  /** The same, and removes the server's files. */
  remove(): Promise<void> {
    this.#removed ??= this.end().then(() => rm(this.#options.folder, { recursive: true, force: true }))
    return this.#removed
  }

  #startReplica(number: number): Replica {
    const { server, folder, stateFolder, agentCommand, env } = this.#options
    const runtime = `${this.#options.runtime}-${number}`
    const label = server.replicas === 1 ? '' : `${number} `
    return new Replica({
      folder: join(folder, `${number}`),
      runtime,
      stateFolder,
      settings: this.#agentSettings(socketIn(runtime)),
      agentCommand,
      interpreter: server.interpreter,
      env: { ...server.env, ...env },
      onLine: (line) => this.log.write(label + line),
      onChange: () => this.changes.notify(),
    })
  }

  #agentSettings(socket: string): AgentSettings {
    const { server, folder, environmentsFolder, brokers, drainSeconds, logLevel } = this.#options
    return checkSettings(AgentSettings, {
      name: server.name,
      brokers,
      credentialFile: credentialIn(folder),
      socket,
      environmentsFolder,
      environmentDigest: server.environmentDigest,
      python: server.python,
      requirements: [...server.requirements],
      concurrency: server.concurrency,
      // No container bounds a local server, so each call is bounded by itself.
      memoryBytes: server.resources.memory,
      idleSeconds: server.idleSeconds,
      lifetimeSeconds: server.lifetimeSeconds,
      drainSeconds,
      logLevel,
    })
  }
}

function credentialIn(folder: string): string {
  return join(folder, 'credential')
}
