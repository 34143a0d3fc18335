import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Cluster } from '../../proxy/cluster/cluster.ts'
import { createLocalCluster, type LocalClusterOptions } from '../../proxy/cluster/local/local.ts'
import { findMarked } from '../../proxy/cluster/local/processes.ts'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'
import type { Phase, ServerRequest, ServerStatus, User } from '../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../proxy/security-model/approve.ts'
import { startBroker } from './broker.ts'
import { keptLog } from './log.ts'
import { securityModel } from './security-model.ts'

const root = join(import.meta.dirname, '../..')
/** The real agent, as `rexec local` starts it. */
export const AGENT = [process.execPath, join(root, 'bin/rexec.ts'), 'agent']
/** A scripted one, for what the real one does not do. */
export const FAKE_AGENT = [process.execPath, join(import.meta.dirname, 'fake-agent.ts')]

const pythons = await findPythons(process.env)
/** The newest Python here. */
export const version = Object.keys(pythons).sort((a, b) => Number(b.slice(2)) - Number(a.slice(2)))[0]!

export interface TestCluster {
  cluster: Cluster
  stateFolder: string
  log: ReturnType<typeof keptLog>
  /** Starts a server of the user with these wishes. */
  start(user: User, request?: ServerRequest): Promise<ServerStatus>
  /** Waits until a server is in the phase, or ended; resolves with its status then. */
  until(user: User, name: string, phase: Phase): Promise<ServerStatus>
  /** Processes that run below the state folder. */
  processes(): Promise<number[]>
}

export function user(name: string): User {
  return { name, groups: [], authenticator: 'static' }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A folder that is removed after the test. */
export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'rexec-test-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export function approve(owner: User, request: ServerRequest = {}, interpreter?: string): ApprovedServer {
  const profile = {
    name: 'local',
    pythons: interpreter ? { [version]: interpreter } : pythons,
    replicas: { max: 4 },
    lifetimeSeconds: { min: 1 },
    idleSeconds: { min: 1 },
  }
  const { model, grant } = securityModel({ profiles: [profile] }, owner)
  return model.approve(grant, { python: version, ...request })
}

/** A local cluster in a folder of its own (or `stateFolder`), closed after the test. Its servers reach a real broker. */
export async function testCluster(
  t: Test,
  options: Partial<LocalClusterOptions> & { interpreter?: string } = {},
): Promise<TestCluster> {
  const { interpreter, stateFolder = await temporaryFolder(t), ...others } = options
  const log = keptLog()
  const { broker, signer } = await startBroker(t)
  const { PATH = '', HOME = '', PIP_FIND_LINKS = '' } = process.env
  const cluster = await createLocalCluster({
    stateFolder,
    brokers: [broker.serverAddress],
    agentCommand: AGENT,
    env: { PATH, HOME, PIP_FIND_LINKS },
    logger: log.logger,
    ...others,
  })
  t.teardown(() => cluster.close())
  return {
    cluster,
    stateFolder,
    log,
    async start(owner, request) {
      const namespace = await cluster.ensureNamespace(owner)
      const server = approve(owner, request, interpreter)
      const { token } = await signer.sign('server', { user: owner.name, server: server.name }, 3600)
      return cluster.start(namespace, server, { credential: token })
    },
    async until(owner, name, phase) {
      let last: ServerStatus | undefined
      for await (const status of cluster.watch(owner, name, AbortSignal.timeout(120_000))) {
        last = status
        if (status.phase === phase) break
      }
      if (!last) throw new Error(`${name} was not seen`)
      return last
    },
    processes: () => findMarked(stateFolder),
  }
}
