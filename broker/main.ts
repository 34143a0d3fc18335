import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { createLogger } from '../common/logger.ts'
import { createRegistry, serveMetrics } from '../common/metrics.ts'
import { loadSettings } from '../common/settings.ts'
import type { PublicKeys } from '../common/tokens.ts'
import { createBroker } from './broker.ts'
import { createIdentify } from './identify.ts'
import { BrokerSettings } from './settings.ts'

/** `rexec broker --settings FILE`: runs until SIGTERM or SIGINT, then lets running calls end for drainSeconds. */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { settings: { type: 'string' } } })
  const settings = loadSettings(
    BrokerSettings,
    values.settings === undefined ? '' : await readFile(values.settings, 'utf8'),
  )
  const logger = createLogger('broker', { level: settings.logLevel })
  const registry = createRegistry()
  const { url, credentialFile, timeoutSeconds } = settings.proxy
  const publicKeys = JSON.parse(await readFile(settings.publicKeysFile, 'utf8')) as PublicKeys
  const credential = (await readFile(credentialFile, 'utf8')).trim()
  const identify = createIdentify({ url, credential, timeout: timeoutSeconds * 1000, logger })
  const broker = await createBroker({ settings, publicKeys, identify, logger, registry })
  const admin = await serveMetrics(registry, settings.admin.host, settings.admin.port)
  const { clientAddress, serverAddress } = broker
  logger.info({ clientAddress, serverAddress, admin: admin.address() }, 'broker listens')

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve)
  })
  logger.info({ signal }, 'broker stops')
  await broker.drain(settings.drainSeconds)
  await broker.close()
  admin.close()
  admin.closeAllConnections()
}
