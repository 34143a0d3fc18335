import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Slot } from './slot.ts'

/** How long a program has to end by itself, in milliseconds. */
const PATIENCE = 5000

/**
 * Namespaces of their own (network, mounts, processes, cgroups), held by one process 1 (init.sh) whose stdin is a pipe
 * from here. When this process ends, however it does, the pipe is closed, process 1 ends, and the kernel ends and takes
 * away everything that was made within.
 */
export class Machine {
  /** A process, as seen from outside, that is in the network namespace. */
  pid = 0
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #programs = new Map<string, PromiseWithResolvers<number>>()
  readonly #ended: Promise<unknown>

  static async start(slot: Slot): Promise<Machine> {
    await mkdir(join(slot.folder, 'log'), { recursive: true })
    const machine = new Machine(slot)
    await machine.#up
    return machine
  }

  readonly #up: Promise<void>

  private constructor({ name, folder, claim }: Slot) {
    this.#folder = folder
    this.#child = spawn(join(import.meta.dirname, 'machine.sh'), [name, folder], {
      stdio: ['pipe', 'pipe', 'pipe', claim],
      // Ctrl-C is for this process, which then ends the machine.
      detached: true,
    })
    this.#ended = once(this.#child, 'close')
    // Writing to a machine that has just ended is no error: its programs have ended too.
    this.#child.stdin!.on('error', () => undefined)
    let complaints = ''
    this.#child.stderr!.on('data', (chunk) => {
      complaints += chunk
    })
    const up = Promise.withResolvers<void>()
    this.#up = up.promise
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const [word, name, code] = line.split(' ')
      if (word === 'pid') this.pid = Number(name)
      if (word === 'up') up.resolve()
      if (word === 'ended') this.#programs.get(name!)?.resolve(Number(code))
    })
    void this.#ended.then(() => {
      up.reject(new Error(`no namespaces could be made: ${complaints.trim()}`))
      for (const program of this.#programs.values()) program.resolve(137)
    })
  }

  /** Starts a program; its output goes to log/NAME.log. @returns how it ended (128 + signal), when it has */
  start(name: string, argv: string[]): Promise<number> {
    const program = Promise.withResolvers<number>()
    this.#programs.set(name, program)
    this.#tell('start', name, ...argv)
    return program.promise
  }

  /** Runs a program to its end. @throws Error with the last lines of its output */
  async run(name: string, argv: string[]): Promise<void> {
    const code = await this.start(name, argv)
    if (code !== 0) throw new Error(`${name} ended with exit code ${code}:\n${await this.lastLines(name)}`)
  }

  /** Ends a program. */
  async stop(name: string, signal: 'TERM' | 'KILL' = 'TERM'): Promise<void> {
    const program = this.#programs.get(name)
    if (!program) return
    this.#tell('signal', name, signal)
    const kill = setTimeout(() => this.#tell('signal', name, 'KILL'), PATIENCE)
    await program.promise
    clearTimeout(kill)
    this.#programs.delete(name)
  }

  /**
   * Waits for the answer of a program that was started. @throws Error with the last lines of its output when it ends
   * instead
   */
  async ready<T>(name: string, answer: Promise<T>): Promise<T> {
    const ended = this.#programs.get(name)!.promise.then(async (code) => {
      throw new Error(`${name} ended with exit code ${code}:\n${await this.lastLines(name)}`)
    })
    return Promise.race([answer, ended])
  }

  async lastLines(name: string): Promise<string> {
    const log = await readFile(join(this.#folder, 'log', `${name}.log`), 'utf8').catch(() => '')
    return log.trim().split('\n').slice(-10).join('\n')
  }

  /** Of every program that was started: why a cluster did not become ready. */
  async allLastLines(): Promise<string> {
    const names = [...this.#programs.keys()]
    const lines = await Promise.all(names.map(async (name) => `-- ${name}:\n${await this.lastLines(name)}`))
    return lines.join('\n')
  }

  /** Ends it and everything in it; nothing is left of it then, and its slot is free once this process lets go of it. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    await this.#ended
  }

  #tell(...words: string[]): void {
    this.#child.stdin!.write(`${words.map(quote).join(' ')}\n`)
  }
}

/** For the shell, on one line. */
function quote(word: string): string {
  return `$'${word.replaceAll(/[\\']/g, '\\$&').replaceAll('\n', '\\n')}'`
}
