import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Test } from 'tap'
import { ensureVenv } from '../../bin/venv.ts'
import { freePorts } from '../support/free-port.ts'
import { temporaryFolder } from '../support/local-cluster.ts'
import { type HubApi, hubApi } from './api.ts'
import { Program } from './program.ts'
import { awaitServers } from './servers.ts'

/** The newest, and what zero-to-jupyterhub 4.3 ships. */
export const HUB_VERSIONS = ['6.1.1', '5.4.6']

export interface HubOptions {
  version?: string
  /** Such as /hub-a/. */
  baseUrl?: string
  /** Where the service rexec listens. */
  serviceUrl?: string
  /** The hub starts the service itself, with this command. */
  managed?: { command: string[]; environment?: Record<string, string> }
  /** Without the service rexec and its roles: `config` says it all. */
  bare?: boolean
  /** More lines of jupyterhub_config.py. */
  config?: string
  /** Variables of the hub's process. */
  env?: Record<string, string>
}

/**
 * A JupyterHub with its proxy. Users: alice and carol, of the group rexec-users, which has the scope of the service; bob
 * without; admin. A login takes any password.
 */
export interface Hub extends HubApi {
  version: string
  /** Where users reach it, with base_url: http://127.0.0.1:PORT/ */
  url: string
  /** Where services reach its API: http://127.0.0.1:PORT/hub/api */
  apiUrl: string
  /** Of the service rexec. */
  serviceToken: string
  /** Everything that it writes lies below. */
  folder: string
  /** Starts the user's server, a small program, and resolves with the token and environment that it was given. */
  spawn(user: string): Promise<{ token: string; env: Record<string, string> }>
  /** Ends the hub alone: its proxy and the users' servers run on, as on Kubernetes. */
  stop(): Promise<void>
  /** Starts it again, at the same addresses and with the same database. */
  start(): Promise<void>
  /** What hub and proxy have logged so far. */
  log(): string
}

/** The hub's program. @throws Problem what is missing: Python, its venv module, the network */
export async function hubProgram(version: string): Promise<string> {
  const python = await ensureVenv(`hub-${version}`, { packages: [`jupyterhub==${version}`] })
  return join(dirname(python), 'jupyterhub')
}

/** Why there can be no hub here; undefined if there can. */
export async function hubMissing(version = HUB_VERSIONS[0]!): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a hub of the tests needs Linux'
  return hubProgram(version).then(
    () => undefined,
    (error: Error) => error.message,
  )
}

/** Starts a hub on free ports, in a folder of its own; ended after the test. */
export async function startHub(t: Test, options: HubOptions = {}): Promise<Hub> {
  const { version = HUB_VERSIONS[0]!, baseUrl = '/', config = '' } = options
  const program = await hubProgram(version)
  const folder = await temporaryFolder(t)
  const [port, hubPort, proxyPort, anyPort] = await freePorts(4, '127.0.0.1')
  const servers = await awaitServers(t)
  const url = `http://127.0.0.1:${port}${baseUrl}`
  const apiUrl = `http://127.0.0.1:${hubPort}${baseUrl}hub/api`
  const serviceUrl = options.serviceUrl ?? `http://127.0.0.1:${anyPort}`
  const secret = () => randomBytes(24).toString('hex')
  const [serviceToken, adminToken, proxyToken] = [secret(), secret(), secret()]
  const service = {
    name: 'rexec',
    url: serviceUrl,
    api_token: serviceToken,
    oauth_no_confirm: true,
    ...options.managed,
  }
  await writeFile(
    join(folder, 'given.json'),
    JSON.stringify({
      url,
      hubUrl: `http://127.0.0.1:${hubPort}`,
      folder,
      proxyApiUrl: `http://127.0.0.1:${proxyPort}`,
      proxyToken,
      adminToken,
      singleuser: [process.execPath, join(import.meta.dirname, 'fake-singleuser.ts'), `${servers.port}`],
      service: options.bare ? null : service,
    }),
    { mode: 0o600 },
  )
  const base = join(import.meta.dirname, 'jupyterhub_config.py')
  const configFile = join(folder, 'jupyterhub_config.py')
  await writeFile(configFile, `load_subconfig(${JSON.stringify(base)})\n${config}\n`)

  const env = { ...process.env, REXEC_TEST_HUB: join(folder, 'given.json'), ...options.env }
  const proxy = new Program('KILL', folder, { ...env, CONFIGPROXY_AUTH_TOKEN: proxyToken })
  const hub = new Program('TERM', folder, env)

  const { admin, token } = hubApi(apiUrl, adminToken)
  async function start() {
    const placeholder = options.managed ? undefined : await answerAt(serviceUrl)
    try {
      await hub.start(program, ['--config', configFile], /JupyterHub is now running/)
    } finally {
      await placeholder?.[Symbol.asyncDispose]()
    }
  }

  t.teardown(async () => {
    // It ends the users' servers as well, which it leaves alone when it is stopped otherwise.
    if (hub.running)
      await admin('/shutdown', { method: 'POST', json: { servers: true } }).catch(() => undefined)
    await hub.stop()
    await proxy.stop()
  })
  await proxy.start(
    process.execPath,
    [
      join(
        dirname(createRequire(import.meta.url).resolve('configurable-http-proxy/package.json')),
        'bin/configurable-http-proxy',
      ),
      ...['--ip', '127.0.0.1', '--port', `${port}`, '--api-ip', '127.0.0.1', '--api-port', `${proxyPort}`],
      ...[
        '--default-target',
        `http://127.0.0.1:${hubPort}`,
        '--error-target',
        `http://127.0.0.1:${hubPort}${baseUrl}hub/error`,
      ],
    ],
    /Proxy API at/,
  )
  await start()

  return {
    version,
    url,
    apiUrl,
    serviceToken,
    folder,
    admin,
    token,
    async spawn(user) {
      const started = servers.next(user)
      await admin(`/users/${encodeURIComponent(user)}/server`, { method: 'POST' })
      const env = await started
      return { token: env.JUPYTERHUB_API_TOKEN!, env }
    },
    stop: () => hub.stop(),
    start,
    log: () => hub.log() + proxy.log(),
  }
}

/** A hub waits for its services while it starts, half a minute for one that does not answer yet. */
async function answerAt(url: string): Promise<AsyncDisposable | undefined> {
  const { hostname, port } = new URL(url)
  const server = createServer((_request, response) => response.end()).listen(Number(port), hostname)
  try {
    await once(server, 'listening')
    return server
  } catch {
    // The service is there already.
    return undefined
  }
}
