import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseSigningKeys } from '../common/keys.ts'
import { createLogger, type Logger } from '../common/logger.ts'
import { createRegistry, type Registry, serveMetrics } from '../common/metrics.ts'
import { loadSettings, SettingsError } from '../common/settings.ts'
import { createSigner, createVerifier, type Signer } from '../common/tokens.ts'
import { buildApp } from './app.ts'
import { checkClusterSettings } from './cluster/check-settings.ts'
import type { Cluster } from './cluster/cluster.ts'
import { createKubernetesCluster, type KubernetesMeans } from './cluster/kubernetes/kubernetes.ts'
import { environmentToPassOn } from './cluster/local/environment.ts'
import { createLocalCluster } from './cluster/local/local.ts'
import { acquireLock } from './cluster/local/lock.ts'
import { hubEnvironment } from './hub-environment.ts'
import { createIdentities } from './identity/identities.ts'
import { ProxySettings } from './settings.ts'

/**
 * `rexec proxy --settings FILE`: serves until SIGTERM or SIGINT. Secrets are not in the file: each comes from a variable,
 * or from the file that the same variable with _FILE names.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { settings: { type: 'string' } } })
  if (!values.settings) throw new SettingsError(['rexec proxy needs --settings FILE'])
  const told = untilTold()
  const settings = loadSettings(
    ProxySettings,
    await readText(values.settings),
    await secretSettings(),
    hubEnvironment(process.env),
  )
  checkClusterSettings(settings)
  const logger = createLogger('proxy', { level: settings.logLevel })
  const registry = createRegistry()
  const signer = await readSigner()
  const closing = new AbortController()
  const closers: (() => Promise<unknown>)[] = []
  try {
    const cluster = await openCluster(settings, logger, registry, closers)
    const { reviewToken } = cluster
    const identities = createIdentities(settings.identity, { logger, registry, reviewToken })
    cluster.reconcile?.((user, options) => identities.knows(user, options))
    const app = await buildApp({
      settings,
      identities,
      cluster,
      signer,
      verify: createVerifier(signer.publicKeys),
      logger,
      registry,
      closing: closing.signal,
    })
    closers.push(() => app.close())
    const metrics = await serveMetrics(registry, settings.metrics.host, settings.metrics.port)
    closers.push(() => metrics[Symbol.asyncDispose]())
    const address = await app.listen({ host: settings.host, port: settings.port })
    logger.info({ url: address + settings.prefix }, 'listening')
    logger.info({ signal: await told }, 'closing: no longer ready')
    closing.abort()
    await sleep(settings.shutdownDelaySeconds * 1000)
    logger.info('closing: no new connections, running requests are answered')
    // Ends by itself when nothing is left; this is for requests that would go on for ever.
    setTimeout(() => app.server.closeAllConnections(), settings.shutdownSeconds * 1000).unref()
  } finally {
    // The last part first: what answers requests goes before what they need.
    for (const close of closers.reverse()) await close()
  }
  logger.info('closed')
}

async function openCluster(
  settings: ProxySettings,
  logger: Logger,
  registry: Registry,
  closers: (() => Promise<unknown>)[],
): Promise<Cluster & Partial<KubernetesMeans>> {
  const cluster: Cluster & Partial<KubernetesMeans> =
    settings.cluster.kind === 'kubernetes'
      ? await createKubernetesCluster({
          settings: settings.cluster.kubernetes,
          brokers: settings.broker.serverAddresses,
          logger,
          registry,
        })
      : await openLocalCluster(settings, logger, closers)
  closers.push(() => cluster.close())
  return cluster
}

async function openLocalCluster(
  { broker, cluster: { stateFolder }, logLevel }: ProxySettings,
  logger: Logger,
  closers: (() => Promise<unknown>)[],
): Promise<Cluster> {
  await mkdir(stateFolder, { recursive: true, mode: 0o700 })
  const lock = await acquireLock(join(stateFolder, 'lock'))
  if (typeof lock === 'number') {
    throw new SettingsError([`cluster.stateFolder: process ${lock} uses this folder`])
  }
  closers.push(lock)
  return createLocalCluster({
    stateFolder,
    brokers: broker.serverAddresses,
    agentCommand: [process.execPath, join(import.meta.dirname, '../bin/rexec.ts'), 'agent'],
    env: environmentToPassOn(process.env),
    logger,
    logLevel,
  })
}

/** Settings that are secret, by their names. */
async function secretSettings(): Promise<Record<string, unknown>> {
  const credential = await readSecret('REXEC_BROKER_CREDENTIAL')
  const hubToken = await readSecret('REXEC_HUB_TOKEN')
  const users = await readSecret('REXEC_STATIC_USERS')
  return {
    ...(credential !== undefined && { 'broker.credential': credential }),
    ...(hubToken !== undefined && { 'identity.jupyterhub.apiToken': hubToken }),
    ...(users !== undefined && { 'identity.static.users': parseSecret('REXEC_STATIC_USERS', users) }),
  }
}

async function readSigner(): Promise<Signer> {
  const key = await readSecret('REXEC_SIGNING_KEY')
  if (key === undefined) {
    throw new SettingsError([
      'REXEC_SIGNING_KEY_FILE: required: a file with a private Ed25519 key, as PEM (PKCS#8) or JWK',
    ])
  }
  const { current, others } = await parseSigningKeys(key).catch((error: Error) => {
    throw new SettingsError([`REXEC_SIGNING_KEY: ${error.message}`])
  })
  return createSigner(current, others)
}

async function readSecret(name: string): Promise<string | undefined> {
  const file = process.env[`${name}_FILE`]
  return process.env[name] ?? (file === undefined ? undefined : (await readText(file)).trim())
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SettingsError([`${file}: cannot be read (${error.code})`])
  })
}

/** What JSON.parse says of a mistake quotes the text, so it is not passed on. */
function parseSecret(name: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new SettingsError([`${name}: not valid JSON`])
  }
}

function untilTold(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => resolve(signal))
  })
}
