import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createSigner, generateSigningKey } from '../../common/tokens.ts'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'
import { type RunningCommand, rexec } from './rexec-command.ts'
import { BROKER } from './test-app.ts'

export interface SeparateService {
  url: string
  broker: { client: string }
  /** Everything that it writes to disk lies below it. */
  folder: string
  /** What proxy and broker have logged so far. */
  log(): string
  /** Ends proxy and broker in order. */
  stop(): Promise<void>
}

/**
 * `rexec proxy` and `rexec broker` as processes of their own, with settings files and secrets as an admin writes them;
 * ended after the test.
 * @param identity the proxy's settings of that name
 */
export async function startSeparateService(t: Test, identity: object): Promise<SeparateService> {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-service-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const file = (name: string) => join(folder, name)
  const key = await generateSigningKey()
  const { publicKeys } = await createSigner(key)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}/services/rexec`
  const write = (name: string, content: object | string) =>
    writeFile(file(name), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 })
  await mkdir(file('state'))
  await write('credential', BROKER)
  await write('key.json', key)
  await write('public-keys.json', publicKeys)

  await write('broker.yaml', {
    clients: { port: 0 },
    servers: { port: 0 },
    admin: { port: 0 },
    proxy: { url, credentialFile: file('credential') },
    publicKeysFile: file('public-keys.json'),
    tokens: { rememberSeconds: 0.001, refusedSeconds: 0.001 },
  })
  const broker = rexec(t, ['broker', '--settings', file('broker.yaml')])
  const { clientAddress, serverAddress } = JSON.parse(await broker.firstLine)

  await write('proxy.yaml', {
    port,
    metrics: { port: 0 },
    cluster: { stateFolder: file('state') },
    broker: { clientAddress, serverAddresses: [serverAddress] },
    identity,
    securityModel: {
      profiles: [{ name: 'local', description: 'For tests.', pythons: await findPythons(process.env) }],
    },
  })
  const proxy = rexec(t, ['proxy', '--settings', file('proxy.yaml')], {
    REXEC_SIGNING_KEY_FILE: file('key.json'),
    REXEC_BROKER_CREDENTIAL_FILE: file('credential'),
  })
  const stop = async () => {
    for (const { child, ended } of [proxy, broker]) {
      child.kill('SIGTERM')
      await ended
    }
  }
  t.teardown(stop)
  await untilLogged(proxy, '"msg":"listening"')
  const log = () => [proxy, broker].map(({ output }) => output.stdout + output.stderr).join('')
  return { url, broker: { client: clientAddress }, folder, log, stop }
}

/** A port that is free now: the broker must know the proxy's before the proxy can know the broker's. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function untilLogged({ child, output, ended }: RunningCommand, text: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const look = () => output.stdout.includes(text) && resolve()
    child.stdout?.on('data', look)
    void ended.then(({ stderr }) => reject(new Error(`ended before it logged ${text}: ${stderr}`)))
    look()
  })
}
