import { access, readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Type } from 'typebox'
import { readBrokerSettings } from '../broker/settings.ts'
import { SettingsError } from '../common/settings.ts'
import { KubernetesSettings } from '../proxy/cluster/kubernetes/settings.ts'
import { JupyterhubSettings } from '../proxy/identity/settings.ts'
import { ProxySettings } from '../proxy/settings.ts'
import { besideBroker, brokerChecks, hereOf, proxyChecks } from './doctor/broker.ts'
import { type Check, fail, type Result, runChecks } from './doctor/check.ts'
import { clusterChecks } from './doctor/cluster.ts'
import { readProxyFiles } from './doctor/files.ts'
import { hubChecks } from './doctor/hub.ts'
import { identityApiChecks } from './doctor/identity.ts'
import { asJson, asText, isWell } from './doctor/report.ts'
import { secretChecks, signerOf } from './doctor/secrets.ts'
import { serviceChecks } from './doctor/service.ts'
import { settingsChecks } from './doctor/settings.ts'
import { Problem } from './problem.ts'

/** Where the chart mounts them, in the pods of the proxy and of the broker. */
const PROXY_FILE = '/etc/rexec/proxy.yaml'
const BROKER_FILE = '/etc/rexec/broker.yaml'
const MAX_SECONDS = 300

/**
 * `rexec doctor`: looks at an installation from beside the proxy (--settings), from beside a broker (--broker-settings)
 * or from where its users are (--url), and says what to do. It changes nothing. Without an option: as whatever this
 * machine or pod looks like.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      settings: { type: 'string' },
      'broker-settings': { type: 'string' },
      url: { type: 'string' },
      json: { type: 'boolean', default: false },
      timeout: { type: 'string', default: '10' },
    },
  })
  const seconds = Number(values.timeout)
  if (!(seconds > 0 && seconds <= MAX_SECONDS)) {
    throw new Problem(`--timeout must be a number of seconds up to ${MAX_SECONDS}.`, 2)
  }
  const results = await examine(await viewpoint(values), process.env, seconds)
  process.stdout.write(values.json ? asJson(results) : asText(results, { stream: process.stdout }))
  if (!isWell(results)) process.exitCode = 1
}

/** @throws Problem for an address that is none, or that holds a secret */
export async function examine(
  { settings, 'broker-settings': broker, url }: Viewpoint,
  env: NodeJS.ProcessEnv,
  seconds: number,
): Promise<Result[]> {
  const checks = await Promise.all([
    settings === undefined ? [] : besideProxy(settings, env),
    broker === undefined ? [] : besideTheBroker(broker),
    url === undefined ? [] : serviceChecks(urlOf(url), tokenOf(env)),
  ])
  return runChecks(checks.flat(), seconds)
}

/** From where to look; several at once are possible. */
export interface Viewpoint {
  settings?: string | undefined
  'broker-settings'?: string | undefined
  url?: string | undefined
}

async function viewpoint({ settings, 'broker-settings': broker, url }: Viewpoint): Promise<Viewpoint> {
  if (settings !== undefined || broker !== undefined || url !== undefined) {
    return { settings, 'broker-settings': broker, url }
  }
  const isThere = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    )
  if (await isThere(PROXY_FILE)) return { settings: PROXY_FILE }
  if (await isThere(BROKER_FILE)) return { 'broker-settings': BROKER_FILE }
  if (process.env.REXEC_URL) return { url: process.env.REXEC_URL }
  throw new Problem(
    'Say what to look at: --settings FILE beside the proxy, --broker-settings FILE beside a broker, or --url URL as a user (with the token in REXEC_TOKEN or JUPYTERHUB_API_TOKEN).',
    2,
  )
}

/** Every check that its section of the settings allows, whatever is wrong with the others. */
async function besideProxy(file: string, env: NodeJS.ProcessEnv): Promise<Check[]> {
  const files = await readProxyFiles(file, env)
  const { settings, secrets, section } = files
  const { host, port, prefix, broker: brokerSchema } = ProxySettings.properties
  const kubernetes = section('cluster.kubernetes', KubernetesSettings)
  const cluster = settings?.cluster.kind ?? files.raw('cluster.kind')
  const hub = files.raw('identity.jupyterhub')
    ? section('identity.jupyterhub', JupyterhubSettings)
    : undefined
  const broker = section('broker', brokerSchema)
  const signer = () => signerOf(secrets.signingKey)
  const address = section('', Type.Object({ host, port, prefix }))
  return [
    ...settingsChecks(files),
    ...secretChecks(files),
    ...(hub
      ? hubChecks({
          settings: hub,
          prefix: address?.prefix,
          whenUserVanishes: kubernetes?.namespaces.whenUserVanishes ?? 'keep',
        })
      : []),
    ...(settings ? identityApiChecks(settings.identity) : []),
    ...(kubernetes && cluster === 'kubernetes'
      ? clusterChecks(kubernetes, settings?.identity.authenticators ?? [])
      : []),
    ...(address
      ? proxyChecks({
          url: `http://${hereOf(address.host)}:${address.port}${address.prefix}`,
          credential: async () => secrets.brokerCredential.text,
          keys: { whose: 'the signing key', read: async () => (await signer())?.publicKeys },
        })
      : []),
    ...(broker && kubernetes ? brokerChecks(broker, Object.keys(kubernetes.namespaces.given), signer) : []),
  ]
}

async function besideTheBroker(file: string): Promise<Check[]> {
  try {
    return besideBroker(readBrokerSettings(await readFile(file, 'utf8')))
  } catch (error) {
    const problems =
      error instanceof SettingsError
        ? error.problems
        : [`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`]
    const todo = 'Correct it; docs/reference/settings.md has all settings.'
    return [
      { group: 'broker', name: 'settings', run: async () => problems.map((problem) => fail(problem, todo)) },
    ]
  }
}

/** @throws Problem for what is no address, or holds a secret */
function urlOf(text: string): string {
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol)) throw new Problem('--url must be an http or https address.', 2)
  if (url.username || url.password || url.search) {
    throw new Problem(
      '--url must hold no password and no query. The token goes into REXEC_TOKEN or JUPYTERHUB_API_TOKEN.',
      2,
    )
  }
  return url.href
}

function tokenOf({ REXEC_TOKEN, JUPYTERHUB_API_TOKEN }: NodeJS.ProcessEnv): string | undefined {
  return REXEC_TOKEN || JUPYTERHUB_API_TOKEN || undefined
}
