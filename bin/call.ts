import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { parseAddress } from '../common/address.ts'
import { type Answer, ask, below } from './doctor/http.ts'
import { ZmtpClient } from './doctor/zmtp-client.ts'
import { Problem } from './problem.ts'

const NAME = 'rexec-call'
/** Between two looks at the server, in milliseconds. */
const LOOK_AGAIN = 1000

/**
 * `rexec call --url URL`: what a notebook does, from the first request to the result of a function, and then the server is
 * stopped again. It ends with exit code 0 if Python has computed the right answer.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      url: { type: 'string' },
      profile: { type: 'string' },
      python: { type: 'string' },
      timeout: { type: 'string', default: '300' },
    },
  })
  const seconds = Number(values.timeout)
  if (!values.url) throw new Problem('Say where the service is: rexec call --url URL.', 2)
  if (!(seconds > 0)) throw new Problem('--timeout must be a number of seconds.', 2)
  const signal = AbortSignal.timeout(seconds * 1000)
  const api = new Api(below(values.url, '/api/v1'), await readToken(process.env), signal)
  try {
    await tryOut(api, values, signal)
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(
      signal.aborted ? `There was no result in ${seconds} seconds.` : reasonOf(error as Error),
    )
  }
}

async function tryOut(
  api: Api,
  wanted: { profile?: string | undefined; python?: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { profiles } = await api.get<{ profiles: { name: string; pythons: string[] }[] }>('/profiles')
  const profile = profiles.find(({ name }) => name === (wanted.profile ?? name))
  if (!profile) throw new Problem(`This user has no profile ${wanted.profile ?? 'at all'}.`)
  const python = wanted.python ?? profile.pythons.at(-1)
  const request = { name: NAME, profile: profile.name, python, replace: true }
  const { broker, token } = await api.post<{ broker: { address: string }; token: string }>(
    '/servers',
    request,
  )
  try {
    say(`a server of profile ${profile.name} with Python ${python} starts`)
    await untilReady(api, signal)
    await call(broker.address, token, signal)
    say(`Python has computed the right answer, over the broker ${broker.address}`)
  } finally {
    // Its own time: the other one may be over.
    await api.delete(`/servers/${NAME}`, AbortSignal.timeout(60_000))
  }
}

async function untilReady(api: Api, signal: AbortSignal): Promise<void> {
  for (let last = ''; ; await delay(LOOK_AGAIN, undefined, { signal })) {
    const { phase, message } = await api.get<{ phase: string; message: string }>(`/servers/${NAME}`)
    const text = `${phase}: ${message}`
    if (text !== last) say(text)
    if (phase === 'ready') return
    if (phase === 'failed' || phase === 'stopped') throw new Problem(`The server did not start: ${message}`)
    last = text
  }
}

/** operator.concat of two texts: their joined form is in no message but a result that Python has computed. */
async function call(address: string, token: string, signal: AbortSignal): Promise<void> {
  const { host, port } = parseAddress(address)
  const client = await ZmtpClient.connect(host, port, signal)
  const [left, right] = [randomUUID(), randomUUID()]
  try {
    if (!(await client.greet())) throw new Problem(`What answers at ${address} is no broker.`)
    await client.handshake()
    // Pickles of protocol 0, which is text: a name in a module, a tuple of two texts.
    client.send('', token, 'coperator\nconcat\n.', `(V${left}\nV${right}\nt.`)
    for (;;) {
      const event = (await client.receive()).at(-1)!.toString('latin1')
      if (event.includes(left + right)) return
      // Nothing else has these words: the function prints nothing.
      if (/\b(ERROR|END)\b/.test(event)) {
        throw new Problem(`The call failed: ${event.replace(/[^ -~]+/g, ' ')}`)
      }
    }
  } finally {
    client.close()
  }
}

/** The service's API as one user. @throws Problem for an answer that is no success */
class Api {
  readonly #url: string
  readonly #token: string
  readonly #signal: AbortSignal

  constructor(url: string, token: string, signal: AbortSignal) {
    this.#url = url
    this.#token = token
    this.#signal = signal
  }

  async get<T>(path: string): Promise<T> {
    return read(await ask(this.#url + path, { token: this.#token, signal: this.#signal }))
  }

  async post<T>(path: string, json: object): Promise<T> {
    return read(await ask(this.#url + path, { token: this.#token, signal: this.#signal, json }))
  }

  async delete(path: string, signal: AbortSignal): Promise<void> {
    read(await ask(this.#url + path, { method: 'DELETE', token: this.#token, signal }))
  }
}

function read<T>({ status, json }: Answer): T {
  if (status >= 200 && status < 300) return json as T
  throw new Problem(
    `The service answers: ${String(json.detail ?? 'no reason')} [${String(json.code ?? status)}]`,
  )
}

async function readToken({
  REXEC_TOKEN,
  REXEC_TOKEN_FILE,
  JUPYTERHUB_API_TOKEN,
}: NodeJS.ProcessEnv): Promise<string> {
  const token = REXEC_TOKEN_FILE
    ? (await readFile(REXEC_TOKEN_FILE, 'utf8')).trim()
    : (REXEC_TOKEN ?? JUPYTERHUB_API_TOKEN)
  if (!token)
    throw new Problem('The token goes into REXEC_TOKEN, REXEC_TOKEN_FILE or JUPYTERHUB_API_TOKEN.', 2)
  return token
}

/** What fetch() says is in its cause. */
function reasonOf({ message, cause }: Error): string {
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
