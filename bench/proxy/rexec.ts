import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { generateSigningKey } from '../../common/tokens.ts'
import { type Child, startChild } from '../child.ts'
import { type Answer, expectSuccess, openHttp } from './load.ts'
import type { Memory } from './timing.ts'

const REXEC = join(import.meta.dirname, '..', '..', 'bin', 'rexec.ts')
const TIMING = join(import.meta.dirname, 'timing.ts')
/** Milliseconds between two looks whether it is ready. */
const LOOK_AGAIN = 10
/** One of the default profile's; no image is pulled. */
const PYTHON = '3.12'
const PLENTY = '1000000'

/** Milliseconds of one request, and for how long of it rexec waited for others, with the number of requests. */
export interface Timed {
  total: number
  kubernetes: number
  kubernetesCalls: number
  identity: number
  /** CPU time of rexec's main thread while it waited for neither. */
  cpu: number
}

export interface RexecProxy {
  pid: number
  /** From the start of the process until /readyz said so. */
  readySeconds: number
  /** POST /api/v1/servers, of a new name unless told. */
  submit(user: string, name?: string): Promise<Timed>
  get(user: string, path: string): Promise<Timed & { text: string }>
  /** After a collection of garbage. */
  memory(): Promise<Memory>
  close(): Promise<void>
}

/** Starts `rexec proxy`; `flags` are for Node. Everything but what would bound the bench has its default. */
export async function startRexecProxy(
  kubeconfig: string,
  hubApiUrl: string,
  flags: string[] = [],
): Promise<RexecProxy> {
  const folder = await mkdtemp(join(tmpdir(), 'rexec-bench-'))
  const settings = join(folder, 'proxy.json')
  await writeFile(settings, JSON.stringify(proxySettings(kubeconfig, hubApiUrl)))
  const from = performance.now()
  const child = startChild(
    process.execPath,
    ['--expose-gc', '--import', TIMING, ...flags, REXEC, 'proxy', '--settings', settings],
    undefined,
    {
      REXEC_SIGNING_KEY: JSON.stringify(await generateSigningKey()),
      REXEC_BROKER_CREDENTIAL: 'for-brokers-of-which-there-are-none',
    },
  )
  const close = async () => {
    await child.close()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const output = readOutput(child)
    const url = new URL(await output.listening)
    const http = openHttp(url.origin)
    while ((await http.send('GET', `${url.pathname}/readyz`)).status !== 200) await pause(LOOK_AGAIN)
    const readySeconds = (performance.now() - from) / 1000
    let servers = 0
    const ask = (method: string, user: string, path: string, body?: object) => {
      const headers = { authorization: `Bearer ${user}`, 'content-type': 'application/json' }
      const options = body ? { headers, body: JSON.stringify(body) } : { headers }
      return http.send(method, `${url.pathname}/api/v1${path}`, options)
    }
    return {
      pid: child.pid,
      readySeconds,
      async submit(user, name = `s${servers++}`) {
        const answer = await ask('POST', user, '/servers', { name, python: PYTHON })
        if (answer.status !== 201) throw new Error(`POST /servers answered ${answer.status}: ${answer.text}`)
        return timesOf(answer)
      },
      async get(user, path) {
        const answer = await ask('GET', user, path)
        expectSuccess(`GET ${path}`, answer)
        return { ...timesOf(answer), text: answer.text }
      },
      async memory() {
        process.kill(child.pid, 'SIGUSR2')
        return output.memory()
      },
      async close() {
        http.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

function proxySettings(kubeconfig: string, hubApiUrl: string): object {
  return {
    port: 0,
    metrics: { port: 0 },
    // Nobody connects: no pod runs.
    broker: { clientAddress: 'tcp://127.0.0.1:5559', serverAddresses: ['tcp://127.0.0.1:5560'] },
    identity: {
      authenticators: ['identity-api'],
      identityApi: { url: `${hubApiUrl}/user`, method: 'get', nameClaim: 'name' },
    },
    limits: { serversPerUser: 1000 },
    cluster: {
      kind: 'kubernetes',
      kubernetes: {
        kubeconfig,
        requireConfinement: false,
        quota: { 'count/jobs.batch': PLENTY, 'count/secrets': PLENTY, pods: PLENTY, 'requests.cpu': PLENTY },
      },
    },
  }
}

/** Reads what the proxy prints, its log and the lines of timing.ts, so that it never waits for a reader. */
function readOutput(child: Child): { listening: Promise<string>; memory(): Promise<Memory> } {
  const listening = Promise.withResolvers<string>()
  let asked: PromiseWithResolvers<Memory> | undefined
  const read = async () => {
    for (;;) {
      const line = (await child.next()) as Partial<Memory> & { msg?: string; url?: string }
      if (line.memory) asked?.resolve(line as Memory)
      if (line.msg === 'listening') listening.resolve(line.url!)
    }
  }
  read().catch((error) => {
    listening.reject(error)
    asked?.reject(error)
  })
  listening.promise.catch(() => {}) // who asks is told
  return {
    listening: listening.promise,
    memory() {
      asked = Promise.withResolvers<Memory>()
      return asked.promise
    },
  }
}

/** Reads the header that timing.ts writes. */
function timesOf({ headers, milliseconds }: Answer): Timed {
  const [, kubernetes, calls, identity, cpu] =
    /^kubernetes;dur=([\d.]+);desc="(\d+)", identity;dur=([\d.]+);desc="\d+", cpu;dur=([\d.]+)$/.exec(
      String(headers['server-timing']),
    ) ?? []
  if (kubernetes === undefined) throw new Error('The proxy runs without bench/proxy/timing.ts.')
  return {
    total: milliseconds,
    kubernetes: Number(kubernetes),
    kubernetesCalls: Number(calls),
    identity: Number(identity),
    cpu: Number(cpu),
  }
}
