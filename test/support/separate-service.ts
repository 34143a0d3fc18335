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
  parts: { proxy: Part; broker: Part }
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
  /** Settings of the proxy beside those that make the parts meet: identity at least. */
  proxy: { identity: object; [section: string]: unknown }
  broker?: object
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
  const [port, clients, servers, admin] = await freePorts(4, host)
  const url = `http://${host}:${port}/services/rexec`
  const write = (name: string, content: object | string) =>
    writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  await write('credential', BROKER)
  await write('key.json', key)
  await write('public-keys.json', signer.publicKeys)
  await write('broker.yaml', {
    clients: { host, port: clients },
    servers: { host, port: servers },
    admin: { port: admin },
    proxy: { url, credentialFile: file('credential') },
    publicKeysFile: file('public-keys.json'),
    tokens: { rememberSeconds: 0.001, refusedSeconds: 0.001 },
    ...options.broker,
  })
  await write('proxy.yaml', {
    host,
    port,
    metrics: { port: 0 },
    cluster: { stateFolder: file('state') },
    broker: {
      clientAddress: `tcp://${host}:${clients}`,
      serverAddresses: [`tcp://${host}:${servers}`],
    },
    securityModel: {
      profiles: [{ name: 'local', description: 'For tests.', pythons: await findPythons(process.env) }],
    },
    ...options.proxy,
  })
  const broker = createPart(() => rexec(t, ['broker', '--settings', file('broker.yaml')]), '"clientAddress"')
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
    await broker.stop()
  }
  await broker.start()
  await proxy.start()
  t.teardown(stop)
  return {
    url,
    broker: {
      client: `tcp://${host}:${clients}`,
      server: `tcp://${host}:${servers}`,
      admin: `http://127.0.0.1:${admin}`,
    },
    signer,
    parts: { proxy, broker },
    folder,
    log: () => proxy.log() + broker.log(),
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
