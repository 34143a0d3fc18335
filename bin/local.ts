import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createBroker, type Identify } from '../broker/broker.ts'
import { createIdentify } from '../broker/identify.ts'
import { ProxyClient } from '../broker/proxy-client.ts'
import { createReviewServer, type ReviewServer } from '../broker/server-review.ts'
import { BrokerSettings } from '../broker/settings.ts'
import { createLogger, type Logger } from '../common/logger.ts'
import { createRegistry } from '../common/metrics.ts'
import { checkSettings } from '../common/settings.ts'
import { createVerifier } from '../common/tokens.ts'
import { buildApp } from '../proxy/app.ts'
import type { Cluster } from '../proxy/cluster/cluster.ts'
import { environmentToPassOn } from '../proxy/cluster/local/environment.ts'
import { createLocalCluster } from '../proxy/cluster/local/local.ts'
import { LogFile } from '../proxy/cluster/local/log-file.ts'
import { findPythons } from '../proxy/cluster/local/pythons.ts'
import { createIdentities } from '../proxy/identity/identities.ts'
import { ProxySettings } from '../proxy/settings.ts'
import { announce } from './announce.ts'
import { stateFolder } from './folders.ts'
import { Problem } from './problem.ts'
import { untilTold } from './signals.ts'
import { openState, type State } from './state.ts'

const HOST = '127.0.0.1'
const DEFAULT_PORT = 10101
const DEFAULT_BROKER_PORT = 5559
/** Milliseconds for one question of the broker to the proxy beside it. */
const IDENTIFY_TIMEOUT = 10_000
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace']

export interface LocalOptions {
  /** Keys, tokens, logs and environments are kept here; one process at a time may use it. */
  state: string
  /** Ports on the loopback interface; 0 is any free one. */
  port: number
  brokerPort: number
  logLevel?: string
}

export interface LocalService {
  url: string
  broker: { client: string; server: string }
  users: { name: string; token: string }[]
  state: string
  logFile: string
  /** Offered versions of Python, such as "3.11", with their interpreters. */
  pythons: Record<string, string>
  /** Ends proxy, broker and all servers. */
  close(): Promise<void>
}

/** `rexec local`: runs until SIGINT or SIGTERM. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      state: { type: 'string', default: stateFolder('local') },
      port: { type: 'string', default: `${DEFAULT_PORT}` },
      'broker-port': { type: 'string', default: `${DEFAULT_BROKER_PORT}` },
      json: { type: 'boolean', default: false },
      'log-level': { type: 'string', default: 'info' },
    },
  })
  const told = untilTold()
  const service = await startLocal({
    state: values.state,
    port: readPort('port', values.port),
    brokerPort: readPort('broker-port', values['broker-port']),
    logLevel: readLogLevel(values['log-level']),
  })
  try {
    await announce(service, values.json)
    await told
  } finally {
    await service.close()
  }
}

/**
 * Starts proxy, broker and local servers in this process, on the loopback interface only.
 * @throws Problem when the state folder is in use, a port is taken, or there is no Python
 */
export async function startLocal(options: LocalOptions): Promise<LocalService> {
  const env = environmentToPassOn(process.env)
  const pythons = await findPythons(env)
  if (Object.keys(pythons).length === 0) {
    throw new Problem(
      'No usable Python was found. Install Python 3.9 or newer with its venv module (Debian, Ubuntu: apt install python3 python3-venv).',
    )
  }
  const state = await openState(options.state)
  const closers: (() => Promise<unknown>)[] = [state.release]
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    return { ...(await compose({ ...options, env, pythons, state, closers })), close }
  } catch (error) {
    await close()
    throw error
  }
}

interface Composition extends Omit<LocalOptions, 'state'> {
  env: Record<string, string>
  pythons: Record<string, string>
  state: State
  /** What ends the parts made so far, the last one first. */
  closers: (() => Promise<unknown>)[]
}

async function compose(options: Composition): Promise<Omit<LocalService, 'close'>> {
  const { state, env, pythons, closers, logLevel = 'info' } = options
  const { signer, users } = state
  const logFile = join(state.folder, 'rexec.log')
  const log = new LogFile(logFile)
  const logger = (part: string) =>
    createLogger(part, { level: logLevel, destination: { write: (line) => log.write(line.trimEnd()) } })

  // The broker asks the proxy, and the proxy names the broker: so it asks once the proxy listens.
  const proxyIsThere = Promise.withResolvers<{ identify: Identify; reviewServer: ReviewServer }>()
  const broker = await createBroker({
    settings: checkSettings(BrokerSettings, {
      clients: { host: HOST, port: options.brokerPort },
      servers: { host: HOST, port: 0 },
    }),
    verify: createVerifier(signer.publicKeys),
    identify: async (token) => (await proxyIsThere.promise).identify(token),
    reviewServer: async (...of) => (await proxyIsThere.promise).reviewServer(...of),
    logger: logger('broker'),
    registry: createRegistry(),
  }).catch(portIsTaken('broker-port', options.brokerPort))
  closers.push(() => broker.close())

  const cluster = await createLocalCluster({
    stateFolder: state.folder,
    brokers: [broker.serverAddress],
    agentCommand: [process.execPath, join(import.meta.dirname, 'rexec.ts'), 'agent'],
    env,
    logger: logger('cluster'),
    logLevel,
  })
  closers.push(() => cluster.close())

  const url = await startProxy(options, cluster, broker, logger('proxy'))
  const asked = new ProxyClient({ url, credential: state.brokerCredential, timeout: IDENTIFY_TIMEOUT })
  proxyIsThere.resolve({
    identify: createIdentify(asked, logger('broker')),
    reviewServer: createReviewServer(asked, logger('broker')),
  })
  return {
    url,
    broker: { client: broker.clientAddress, server: broker.serverAddress },
    users,
    state: state.folder,
    logFile,
    pythons,
  }
}

/** Resolves with the service's URL when it listens. */
async function startProxy(
  { port, pythons, state, closers }: Composition,
  cluster: Cluster,
  broker: { clientAddress: string; serverAddress: string },
  logger: Logger,
): Promise<string> {
  const registry = createRegistry()
  const settings = checkSettings(ProxySettings, {
    host: HOST,
    port,
    broker: {
      clientAddress: broker.clientAddress,
      serverAddresses: [broker.serverAddress],
      credential: state.brokerCredential,
    },
    identity: { authenticators: ['static'], static: { users: state.users } },
    securityModel: {
      profiles: [
        {
          name: 'local',
          description: 'A process on this machine, without isolation.',
          pythons,
          memory: { default: '4Gi', max: '64Gi' },
          replicas: { max: 4 },
        },
      ],
    },
  })
  const app = await buildApp({
    settings,
    identities: createIdentities(settings.identity, { logger, registry }),
    cluster,
    signer: state.signer,
    verify: createVerifier(state.signer.publicKeys),
    logger,
    registry,
  })
  closers.push(() => app.close())
  const address = await app.listen({ host: HOST, port }).catch(portIsTaken('port', port))
  return `${address}${settings.prefix}`
}

function portIsTaken(option: string, port: number): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code !== 'EADDRINUSE') throw error
    throw new Problem(
      `Port ${port} is taken. Stop what uses it, or choose another one: --${option} 0 takes any free one.`,
    )
  }
}

function readPort(option: string, text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65535) return port
  throw new Problem(`--${option} must be a number from 0 to 65535, not ${JSON.stringify(text)}.`, 2)
}

function readLogLevel(text: string): string {
  if (LOG_LEVELS.includes(text)) return text
  throw new Problem(`--log-level must be one of ${LOG_LEVELS.join(', ')}, not ${JSON.stringify(text)}.`, 2)
}
