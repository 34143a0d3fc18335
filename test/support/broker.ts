import { type Broker, createBroker, type Identify } from '../../broker/broker.ts'
import type { ReviewServer } from '../../broker/server-review.ts'
import { BrokerSettings } from '../../broker/settings.ts'
import { RexecError } from '../../common/errors.ts'
import { Registry } from '../../common/metrics.ts'
import { checkSettings } from '../../common/settings.ts'
import {
  createSigner,
  createVerifier,
  generateSigningKey,
  type Signer,
  type Verifier,
} from '../../common/tokens.ts'
import { keptLog } from './log.ts'
import { type Introduction, ZmtpPeer } from './zmtp-peer.ts'

/** What the tests need of tap. */
interface Teardown {
  teardown(end: () => unknown): void
}

type Deep<T> = { [K in keyof T]?: T[K] extends object ? Deep<T[K]> : T[K] }

export interface TestBroker {
  broker: Broker
  registry: Registry
  signer: Signer
  log: ReturnType<typeof keptLog>
  /** An exec token of the user. */
  token(user: string, server?: string): Promise<string>
  /** A connected client with nothing sent yet. */
  client(introduction?: Introduction): Promise<ZmtpPeer>
  /** A server that has been welcomed. */
  server(user: string, options?: { name?: string; concurrency?: number; state?: string }): Promise<ZmtpPeer>
  /** A server's connection that has sent nothing yet. */
  stranger(): Promise<ZmtpPeer>
  metric(name: string, labels?: Record<string, string>): Promise<number>
}

/** A broker on free ports, and peers for it; all end with the test. */
export async function startBroker(
  t: Teardown,
  settings: Deep<BrokerSettings> = {},
  identify: Identify = async () => {
    throw new RexecError('token_invalid')
  },
  verify?: Verifier,
  reviewServer: ReviewServer = async () => undefined,
): Promise<TestBroker> {
  const signer = await createSigner(await generateSigningKey())
  const registry = new Registry()
  const log = keptLog()
  const peers: ZmtpPeer[] = []
  const keep = (peer: ZmtpPeer) => {
    peers.push(peer)
    return peer
  }
  const broker = await createBroker({
    settings: checkSettings(BrokerSettings, {
      ...settings,
      clients: { port: 0, ...settings.clients },
      // A server of a test says and reads only what the test is about, however long that takes.
      servers: { port: 0, heartbeatSeconds: 300, timeoutSeconds: 1200, ...settings.servers },
      connections: { lingerSeconds: 0.5, ...settings.connections },
      queue: { askSeconds: 0.05, ...settings.queue },
    }),
    verify: verify ?? createVerifier(signer.publicKeys),
    identify,
    reviewServer,
    logger: log.logger,
    registry,
  })
  t.teardown(async () => {
    for (const peer of peers) peer.close()
    await broker.close()
  })
  const stranger = async () => keep(await ZmtpPeer.connect(broker.serverAddress))
  return {
    broker,
    registry,
    signer,
    log,
    token: async (user, server) =>
      (await signer.sign('exec', server === undefined ? { user } : { user, server }, 3600)).token,
    client: async (introduction) => keep(await ZmtpPeer.connect(broker.clientAddress, introduction)),
    stranger,
    async server(user, { name = 'default', concurrency = 4, state = 'ready' } = {}) {
      const { token: credential } = await signer.sign('server', { user, server: name }, 3600)
      const peer = await stranger()
      peer.send('READY', '1', credential, JSON.stringify({ concurrency, state }))
      const [verb] = await peer.texts()
      if (verb !== 'WELCOME') throw new Error(`the server got ${verb}`)
      return peer
    },
    async metric(name, labels = {}) {
      const metric = await registry.getSingleMetric(name)?.get()
      const value = metric?.values.find((one) =>
        Object.entries(labels).every(([label, text]) => one.labels[label] === text),
      )
      return value?.value ?? 0
    },
  }
}
