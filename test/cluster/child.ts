import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A program that ends at the latest with this process, however this one ends. */
export class Child {
  readonly name: string
  readonly #process: ChildProcess
  readonly #log: string
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>

  /** @param folder where it runs, and where its output goes to NAME.log */
  static async start(folder: string, name: string, program: string, args: string[]): Promise<Child> {
    const log = join(folder, `${name}.log`)
    const output = await open(log, 'a', 0o600)
    // The kernel sends the signal when the parent dies, also by kill -9. setpriv becomes the program: same pid.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], {
      cwd: folder,
      env: { ...process.env, PWD: folder },
      stdio: ['ignore', output.fd, output.fd],
    })
    try {
      await once(child, 'spawn')
    } finally {
      await output.close()
    }
    return new Child(name, child, log)
  }

  private constructor(name: string, child: ChildProcess, log: string) {
    this.name = name
    this.#process = child
    this.#log = log
    this.ended = once(child, 'exit')
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  get pid(): number {
    return this.#process.pid!
  }

  /** The end of its log. */
  async lastLines(): Promise<string> {
    return (await readFile(this.#log, 'utf8')).slice(-3000)
  }

  /** Without SIGTERM before it: the API server waits long for its watches then. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    if (this.running) await this.ended
  }
}
