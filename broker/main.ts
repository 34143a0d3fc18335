import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { parsePublicKeys } from '../common/keys.ts'
import { createLogger, type Logger } from '../common/logger.ts'
import { createRegistry, type Readiness, serveMetrics } from '../common/metrics.ts'
import { SettingsError } from '../common/settings.ts'
import { createVerifier, type Verifier } from '../common/tokens.ts'
import { createBroker } from './broker.ts'
import { createIdentify } from './identify.ts'
import { ProxyClient } from './proxy-client.ts'
import { ProxyKeys } from './proxy-keys.ts'
import { createReviewServer } from './server-review.ts'
import { type BrokerSettings, readBrokerSettings } from './settings.ts'

/** `rexec broker --settings FILE`: runs until SIGTERM or SIGINT, then serves for drainSeconds those who are connected. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { settings: { type: 'string' } } })
  const told = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve)
  })
  const settings = readBrokerSettings(
    values.settings === undefined ? '' : await readFile(values.settings, 'utf8'),
  )
  const logger = createLogger('broker', { level: settings.logLevel })
  const registry = createRegistry()
  const { url, credentialFile, timeoutSeconds } = settings.proxy
  const credential = (await readFile(credentialFile, 'utf8')).trim()
  const proxy = new ProxyClient({ url, credential, timeout: timeoutSeconds * 1000 })
  const keys = await openKeys(settings, proxy, logger)

  let phase: 'starting' | 'ok' | 'closing' = 'starting'
  const readiness = (): Readiness => ({
    status: phase === 'closing' ? 'closing' : phase === 'ok' ? 'ready' : 'not ready',
    // A proxy that is away does not make this broker useless: what it has proven, and exec tokens, it still knows.
    checks: {
      keys: keys.areKnown() ? 'ok' : 'unknown',
      listening: phase,
      proxy: proxy.lately,
      credential: proxy.credentialIs,
    },
  })
  const admin = await serveMetrics(registry, settings.admin.host, settings.admin.port, readiness)
  logger.info({ admin: admin.address() }, 'broker starts')

  // Whoever comes before there are keys could only be refused: so nobody can come.
  await Promise.race([keys.known, told])
  if (keys.areKnown()) {
    const identify = createIdentify(proxy, logger)
    const reviewServer = createReviewServer(proxy, logger)
    const { verify } = keys
    const broker = await createBroker({ settings, verify, identify, reviewServer, logger, registry })
    const { clientAddress, serverAddress } = broker
    phase = 'ok'
    logger.info({ clientAddress, serverAddress, admin: admin.address() }, 'broker listens')
    const signal = await told
    phase = 'closing'
    logger.info({ signal }, 'broker stops')
    await broker.drain()
    await broker.close()
  }
  await keys.close()
  admin.close()
  admin.closeAllConnections()
}

interface Keys {
  verify: Verifier
  known: Promise<void>
  areKnown(): boolean
  close(): Promise<void>
}

/** The proxy's public keys: from the file that the settings name, or else from the proxy. */
async function openKeys(settings: BrokerSettings, proxy: ProxyClient, logger: Logger): Promise<Keys> {
  const { publicKeysFile, keys } = settings
  if (publicKeysFile === undefined) {
    const fromProxy = new ProxyKeys({
      proxy,
      refresh: keys.refreshSeconds * 1000,
      pause: keys.pauseSeconds * 1000,
      maxWaiting: keys.maxWaiting,
      logger,
    })
    const { verify, known } = fromProxy
    return { verify, known, areKnown: () => fromProxy.areKnown, close: () => fromProxy.close() }
  }
  const text = await readFile(publicKeysFile, 'utf8')
  try {
    const verify = createVerifier(parsePublicKeys(JSON.parse(text)))
    return { verify, known: Promise.resolve(), areKnown: () => true, close: async () => {} }
  } catch {
    throw new SettingsError([`publicKeysFile: ${publicKeysFile} holds no set of public Ed25519 keys`])
  }
}
