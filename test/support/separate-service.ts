import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createSigner, generateSigningKey, type Signer } from '../../common/tokens.ts'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'
import { freePorts } from './free-port.ts'
import { type RunningCommand, rexec } from './rexec-command.ts'
import { BROKER } from './test-app.ts'

/** `rexec proxy` or `rexec broker`, which can end and come back at the same address. */
export interface Part {
  pid(): number
  /** As an admin stops it: SIGTERM, and it ends in order; or as the kernel does: SIGKILL. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
  start(): Promise<void>
  /** What it has logged so far, over all its lives. */
  log(): string
}

export interface SeparateService {
  url: string
  broker: { client: string; server: string; admin: string }
  /** What the proxy signs with. */
  signer: Signer
  parts: { proxy: Part; broker: Part; brokers: Part[] }
  /** Addresses of each broker; `broker` has the first one's. */
  brokers: { client: string; server: string; admin: string }[]
  /** Everything that it writes to disk lies below it. */
  folder: string
  /** What proxy and broker have logged so far. */
  log(): string
  /** Ends proxy and broker in order. */
  stop(): Promise<void>
}

interface Options {
  /** Address on which both listen. */
  host?: string
  /** The proxy's, for who has to know it beforehand; a free one if not given. */
  port?: number
  /** Settings of the proxy beside those that make the parts meet: identity at least. */
  proxy: { identity: object; [section: string]: unknown }
  broker?: object
  /** How many; one if not given. Servers connect to each. */
  brokers?: number
}

/**
 * `rexec proxy` and `rexec broker` as processes of their own, with settings files and secrets as an admin writes them;
 * ended after the test. Servers are local ones unless the settings say otherwise.
 */
export async function startSeparateService(t: Test, options: Options): Promise<SeparateService> {
  const { host = '127.0.0.1' } = options
  const folder = await mkdtemp(join(tmpdir(), 'rexec-service-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = (name: string) => join(folder, name)
  const key = await generateSigningKey()
  const signer = await createSigner(key)
  // Fixed, so that each finds the other again after a restart.
  const count = options.brokers ?? 1
  const [free, ...ports] = await freePorts(1 + 3 * count, host)
  const port = options.port ?? free
  const brokers = Array.from({ length: count }, (_, at) => {
    const [clients, servers, admin] = ports.slice(at * 3)
    return {
      ports: { clients, servers, admin },
      client: `tcp://${host}:${clients}`,
      server: `tcp://${host}:${servers}`,
      admin: `http://127.0.0.1:${admin}`,
    }
  })
  const url = `http://${host}:${port}/services/rexec`
  const write = (name: string, content: object | string) =>
    writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  await write('credential', BROKER)
  await write('key.json', key)
  for (const [at, { ports }] of brokers.entries())
    await write(`broker-${at}.yaml`, {
      clients: { host, port: ports.clients },
      servers: { host, port: ports.servers },
      admin: { port: ports.admin },
      proxy: { url, credentialFile: file('credential') },
      keys: { pauseSeconds: 0.2 },
      tokens: { rememberSeconds: 0.001, refusedSeconds: 0.001 },
      ...options.broker,
    })
  await write('proxy.yaml', {
    host,
    port,
    metrics: { port: 0 },
    cluster: { stateFolder: file('state') },
    broker: {
      clientAddress: brokers[0]!.client,
      serverAddresses: brokers.map(({ server }) => server),
    },
    securityModel: {
      profiles: [{ name: 'local', description: 'For tests.', pythons: await findPythons(process.env) }],
    },
    ...options.proxy,
  })
  const brokerParts = brokers.map((_, at) =>
    createPart(() => rexec(t, ['broker', '--settings', file(`broker-${at}.yaml`)]), '"clientAddress"'),
  )
  const proxy = createPart(
    () =>
      rexec(t, ['proxy', '--settings', file('proxy.yaml')], {
        REXEC_SIGNING_KEY_FILE: file('key.json'),
        REXEC_BROKER_CREDENTIAL_FILE: file('credential'),
      }),
    '"msg":"listening"',
  )
  const stop = async () => {
    await proxy.stop()
    await Promise.all(brokerParts.map((broker) => broker.stop()))
  }
  // A broker listens when it has the proxy's keys.
  await Promise.all([proxy, ...brokerParts].map((part) => part.start()))
  t.teardown(stop)
  return {
    url,
    broker: brokers[0]!,
    brokers,
    signer,
    parts: { proxy, broker: brokerParts[0]!, brokers: brokerParts },
    folder,
    log: () => [proxy, ...brokerParts].map((part) => part.log()).join(''),
    stop,
  }
}

function createPart(run: () => RunningCommand, sign: string): Part {
  let lived = ''
  let running: RunningCommand | undefined
  return {
    pid: () => running!.child.pid!,
    async start() {
      running = run()
      await untilLogged(running, sign)
    },
    async stop(signal = 'SIGTERM') {
      if (!running) return
      running.child.kill(signal)
      const { stdout, stderr } = await running.ended
      lived += stdout + stderr
      running = undefined
    },
    log: () => lived + (running ? running.output.stdout + running.output.stderr : ''),
  }
}

async function untilLogged({ child, output, ended }: RunningCommand, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const look = () => output.stdout.includes(text) && resolve()
    child.stdout?.on('data', look)
    void ended.then(({ stderr }) => reject(new Error(`ended before it logged ${text}: ${stderr}`)))
    look()
  })
}
