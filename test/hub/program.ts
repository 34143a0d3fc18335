import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Transcript, transcribe } from '../support/transcript.ts'

/** A process that is started and ended again and again, and that ends with this one however that ends. */
export class Program {
  readonly #deathSignal: string
  readonly #folder: string
  readonly #env: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #output: Transcript[] = []

  constructor(deathSignal: 'TERM' | 'KILL', folder: string, env: NodeJS.ProcessEnv) {
    this.#deathSignal = deathSignal
    this.#folder = folder
    this.#env = env
  }

  get running(): boolean {
    return this.#child !== undefined
  }

  async start(program: string, args: string[], sign: RegExp): Promise<void> {
    // setpriv and env become the program: same pid. tap has NODE_OPTIONS load what configurable-http-proxy does not bear.
    const alone = ['--pdeathsig', this.#deathSignal, 'env', '--unset=NODE_OPTIONS']
    const child = spawn('setpriv', [...alone, program, ...args], {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const texts = [transcribe(child.stdout), transcribe(child.stderr)]
    this.#output.push(...texts)
    this.#child = child
    await Promise.any(texts.map((text) => text.until(sign))).catch(({ errors }: AggregateError) => {
      throw errors.at(-1)
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#child = undefined
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  log(): string {
    return this.#output.map(({ text }) => text).join('')
  }
}
