import { RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { Registry } from '../common/metrics.ts'
import { MAX_PART } from '../common/protocol.ts'
import type { Verifier } from '../common/tokens.ts'
import { type ClientContext, ClientSession } from './client.ts'
import { awakeTime } from './clock.ts'
import { Inquiry } from './inquiry.ts'
import { LimitedLog } from './limited-log.ts'
import { Losses } from './losses.ts'
import { BrokerMetrics } from './metrics.ts'
import { type Identify, Prover } from './prover.ts'
import { Router } from './router.ts'
import { type ServerContext, ServerSession } from './server.ts'
import type { ReviewServer } from './server-review.ts'
import type { BrokerSettings } from './settings.ts'
import type { ConnectionLimits } from './zmtp/connection.ts'
import { Listener, type Unopened } from './zmtp/listener.ts'
import { createNullMechanism } from './zmtp/null-mechanism.ts'
import type { Budget } from './zmtp/writer.ts'

export type { Identify } from './prover.ts'

export interface BrokerOptions {
  settings: BrokerSettings
  /** Proves exec tokens and server credentials with the proxy's public keys. */
  verify: Verifier
  identify: Identify
  reviewServer: ReviewServer
  logger: Logger
  registry: Registry
}

export interface Broker {
  /** tcp://host:port as bound. */
  clientAddress: string
  serverAddress: string
  /**
   * Lets no client in any more, so that new ones go to the next broker, and goes on serving those that are connected;
   * servers may still come, for the calls that wait. Resolves when no call is left, or after drainSeconds.
   */
  drain(): Promise<void>
  /** Ends what still runs with broker_stopping and closes both ports. */
  close(): Promise<void>
}

/** How often waiting calls and server sessions are looked at, in milliseconds. */
const TICK = 100
/** Bytes of a server's message beside a chunk: verb, call id, or the credential of READY. */
const SERVER_MESSAGE_EXTRA = 64 * 1024

/** Builds the broker and listens on both ports. */
export async function createBroker(options: BrokerOptions): Promise<Broker> {
  const { settings, verify, logger, registry } = options
  const { clients, servers, connections, messages, buffers, queue } = settings
  const budget: Budget = { used: 0 }
  const limitedLog = new LimitedLog(logger)
  const sessions = new Set<ServerSession>()
  const welcome = () => [...sessions].filter((session) => session.isWelcome)
  const metrics = new BrokerMetrics(registry, {
    clients: () => clientPort.connections,
    servers: () => welcome().length,
    running: () => outstanding(),
    waiting: () => router.waiting,
    buffered: () => budget.used,
  })
  const outstanding = () => welcome().reduce((calls, session) => calls + session.outstanding, 0)
  const unopened = (port: 'clients' | 'servers', address: string, reason: Unopened) => {
    metrics.unopened(port, reason)
    // Whoever only looks whether the port is open leaves at once.
    if (reason !== 'left') limitedLog.warn(`connection to the port for ${port} refused`, reason, { address })
  }
  const router = new Router(settings, budget, metrics)
  const identify: Identify = (token) =>
    options.identify(token).then(
      (review) => {
        metrics.reviewed('known')
        return review
      },
      (error) => {
        metrics.reviewed(error instanceof RexecError ? error.code : 'internal')
        throw error
      },
    )
  const inquiry = new Inquiry(router, identify, queue, logger)
  const losses = new Losses(router, options.reviewServer, servers)
  const limits: ConnectionLimits = {
    maxFrames: messages.maxFrames,
    maxMessageBytes: messages.maxBytes,
    maxCommandBytes: messages.maxCommandBytes,
    cutThroughBytes: messages.cutThroughBytes,
    outBytes: buffers.connectionBytes,
    totalBytes: buffers.totalBytes,
    handshakeTime: connections.handshakeSeconds * 1000,
    pingTime: connections.pingSeconds * 1000,
    pingTimeout: connections.pingTimeoutSeconds * 1000,
    stallTime: connections.stallSeconds * 1000,
  }
  const lingerTime = connections.lingerSeconds * 1000
  const common = { budget, mechanism: createNullMechanism }
  const clientContext: ClientContext = {
    router,
    prover: new Prover(verify, identify, settings),
    metrics,
    logger,
    limitedLog,
    budget,
    outBytes: buffers.connectionBytes,
    lingerTime,
  }
  const clientPort = new Listener({
    ...common,
    ...clients,
    limits,
    open: (connection) => new ClientSession(connection, clientContext),
    unopened: (address, reason) => unopened('clients', address, reason),
  })
  const serverContext: ServerContext = {
    router,
    losses,
    verify,
    metrics,
    logger,
    limitedLog,
    maxConcurrency: servers.maxConcurrency,
    maxEventBytes: messages.maxBytes,
    handshakeTime: limits.handshakeTime,
    heartbeatTime: servers.heartbeatSeconds * 1000,
    timeout: servers.timeoutSeconds * 1000,
    lingerTime,
    rememberTime: settings.tokens.rememberSeconds * 1000,
    sessions,
  }
  const serverPort = new Listener({
    ...common,
    ...servers,
    limits: { ...limits, maxMessageBytes: MAX_PART + SERVER_MESSAGE_EXTRA },
    open: (connection) => new ServerSession(connection, serverContext),
    unopened: (address, reason) => unopened('servers', address, reason),
  })

  const clientAddress = await clientPort.listen()
  const serverAddress = await serverPort.listen().catch(async (error) => {
    await clientPort.close('broker stopping', 0)
    throw error
  })
  const ticks = setInterval(() => {
    const now = awakeTime()
    for (const session of sessions) session.tick(now)
    router.tick(now)
  }, TICK)

  const isBusy = () =>
    router.waiting > 0 || router.arriving > 0 || clientPort.isBusy || outstanding() > 0 || losses.waiting > 0

  return {
    clientAddress,
    serverAddress,
    async drain() {
      clientPort.stopAccepting()
      const until = performance.now() + settings.drainSeconds * 1000
      let quietSince = performance.now()
      for (let seen = router.submitted; performance.now() < until; seen = router.submitted) {
        const now = performance.now()
        if (isBusy() || router.submitted > seen) quietSince = now
        else if (clientPort.connections === 0 || now - quietSince >= settings.settleSeconds * 1000) return
        await new Promise((resolve) => setTimeout(resolve, TICK))
      }
    },
    async close() {
      router.stopping = true
      inquiry.close()
      router.failWaiting('broker_stopping')
      losses.close()
      for (const session of welcome()) session.failCalls('broker_stopping')
      await Promise.all([
        clientPort.close('broker stopping', lingerTime),
        serverPort.close('broker stopping', lingerTime),
      ])
      clearInterval(ticks)
    },
  }
}
