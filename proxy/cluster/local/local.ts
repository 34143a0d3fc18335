import { access, constants, mkdir, readdir, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { User } from '../../pipeline.ts'
import type { Cluster, LogOptions } from '../cluster.ts'
import { ensureUserFolder, folderName, makeRuntimeFolder } from './folders.ts'
import { killLeftovers } from './processes.ts'
import { LocalServer } from './server.ts'

export interface LocalClusterOptions {
  /** Everything lies below it. The caller holds its lock: what still runs from it is killed at the start. */
  stateFolder: string
  /** Addresses for servers, such as tcp://127.0.0.1:5560. */
  brokers: string[]
  /** Program and arguments that run an agent; `--settings FILE --exit-with-parent` is added. */
  agentCommand: readonly string[]
  /** Variables that every worker gets, such as PATH and HOME. Nothing else of this process' environment is passed on. */
  env: Readonly<Record<string, string>>
  logger: Logger
  /** Seconds that running calls may go on when a server is told to stop. */
  drainSeconds?: number
  /** Seconds for which a server that has ended is still listed (as a Job's ttlSecondsAfterFinished). */
  keepSeconds?: number
  /** Of the agents. */
  logLevel?: string
}

/**
 * Servers as child processes of this one: for trying out and for tests. It gives NO ISOLATION: functions of all users
 * run as the user who started rexec, and can read and end one another and the service itself.
 */
export async function createLocalCluster(options: LocalClusterOptions): Promise<Cluster> {
  const { brokers, agentCommand, env, logger } = options
  const { drainSeconds = 2, keepSeconds = 3600, logLevel = 'info' } = options
  await mkdir(options.stateFolder, { recursive: true, mode: 0o700 })
  // Processes are marked with this path; it must be the same however the folder was named.
  const stateFolder = await realpath(options.stateFolder)
  const users = join(stateFolder, 'users')
  const killed = await killLeftovers(stateFolder)
  if (killed > 0) logger.warn({ killed }, 'killed what an earlier start on this state folder had left')
  for (const user of await readdir(users).catch(() => []))
    await rm(join(users, user, 'servers'), { recursive: true, force: true })
  const runtime = await makeRuntimeFolder(stateFolder)
  logger.warn('local servers have no isolation: every function runs as the user who started rexec')

  /** Server by the folder it lies in, which user and name make. A name is taken from the moment of start. */
  const servers = new Map<string, Promise<LocalServer>>()
  let started = 0
  let closing = false

  function folderOf(user: string, name: string): string {
    return join(users, folderName(user), 'servers', folderName(name))
  }

  async function find(user: User, name: string): Promise<LocalServer> {
    const server = await servers.get(folderOf(user.name, name))
    if (!server) throw new RexecError('server_not_found')
    return server
  }

  /** Ends a server, removes its files and frees its name, unless a later server has it by now. */
  async function clear(folder: string, starting: Promise<LocalServer>): Promise<void> {
    if (servers.get(folder) !== starting) return
    await (await starting).remove()
    if (servers.get(folder) === starting) servers.delete(folder)
  }

  const warn = (error: Error) => logger.warn({ err: error }, 'a server that has ended could not be removed')

  return {
    kind: 'local',

    async ensureNamespace(user) {
      await ensureUserFolder(users, user.name)
      return { name: folderName(user.name), owner: user.name }
    },

    async start(namespace, server, { credential }) {
      if (server.user !== namespace.owner || namespace.name !== folderName(namespace.owner))
        throw new RexecError('namespace_not_owned')
      const userFolder = await ensureUserFolder(users, namespace.owner)
      if (closing) throw new RexecError('cluster_unavailable', 'The service is stopping.')
      const folder = folderOf(namespace.owner, server.name)
      if (servers.has(folder)) throw new RexecError('server_differs')
      started += 1
      const starting = LocalServer.start({
        server,
        credential,
        folder,
        environmentsFolder: join(userFolder, 'environments'),
        runtime: join(runtime, `${started}`),
        stateFolder,
        brokers,
        agentCommand,
        env,
        drainSeconds,
        logLevel,
      })
      servers.set(folder, starting)
      try {
        const local = await starting
        void local.ended.then(() => {
          setTimeout(() => clear(folder, starting).catch(warn), keepSeconds * 1000).unref()
        })
        return local.status()
      } catch (error) {
        servers.delete(folder)
        throw new RexecError('cluster_unavailable', undefined, { cause: error })
      }
    },

    async list(user) {
      const prefix = join(users, folderName(user.name), '/')
      const own = [...servers].filter(([folder]) => folder.startsWith(prefix)).map(([, server]) => server)
      return (await Promise.all(own)).map((server) => server.status())
    },

    async get(user, name) {
      return (await servers.get(folderOf(user.name, name)))?.status()
    },

    async stop(user, name) {
      const folder = folderOf(user.name, name)
      const starting = servers.get(folder)
      if (!starting) throw new RexecError('server_not_found')
      await clear(folder, starting)
    },

    async *logs(user, name, { follow, signal }: LogOptions) {
      yield* (await find(user, name)).log.read(follow, signal)
    },

    async *watch(user, name, signal) {
      const server = await find(user, name)
      let last = ''
      while (!signal.aborted) {
        const status = server.status()
        const text = JSON.stringify(status)
        if (text === last) await server.changes.wait(signal)
        else yield status
        if (status.phase === 'failed' || status.phase === 'stopped') return
        last = text
      }
    },

    async check() {
      await access(stateFolder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
        throw new RexecError('cluster_unavailable', 'The state folder cannot be written.', { cause })
      })
    },

    async close() {
      closing = true
      // The logs stay until the next start: they may tell why somebody closed this.
      await Promise.allSettled([...servers.values()].map(async (starting) => (await starting).end()))
      servers.clear()
      // The last net: whatever was being started when this began.
      await killLeftovers(stateFolder)
      await rm(runtime, { recursive: true, force: true })
    },
  }
}
