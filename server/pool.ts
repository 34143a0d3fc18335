import type { Call } from './call.ts'
import type { Child } from './child.ts'
import { type Exit, exitFailure } from './failure.ts'

/** A finished call's successor is forked at once; while calls run, after this pause (ms), off their way. */
const REFILL_PAUSE = 5
/** After a process that died before it was ready, the next one is forked after this pause (ms). */
const RETRY_PAUSE = 500

export interface PoolOptions {
  prefork: number
  concurrency: number
  /** Orders to the worker's parent. */
  fork(count: number): void
  kill(pid: number): void
}

/** Keeps processes ready, gives each call one of its own, and ends the process with its call. */
export class Pool {
  readonly #options: PoolOptions
  readonly #idle: Child[] = []
  readonly #children = new Map<number, Child>()
  readonly #running = new Map<Call, Child>()
  #waiting: Call[] = []
  /** Ordered from the parent and not connected yet. */
  #starting = 0
  #refill: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** Orders processes so that enough are ready. */
  fill(): void {
    clearTimeout(this.#refill)
    this.#refill = undefined
    const free = Math.max(0, this.#options.concurrency - this.#running.size)
    const wanted = Math.max(this.#options.prefork, Math.min(this.#waiting.length, free))
    const missing = wanted - this.#idle.length - this.#starting
    if (missing <= 0) return
    this.#starting += missing
    this.#options.fork(missing)
  }

  /** A process is ready. */
  add(child: Child): void {
    this.#starting = Math.max(0, this.#starting - 1)
    this.#children.set(child.pid, child)
    this.#idle.push(child)
    this.#next()
  }

  /** Runs a call as soon as there is a process for it. */
  submit(call: Call): void {
    this.#waiting.push(call)
    this.#next()
    if (this.#waiting.length > 0) this.fill()
    else this.#refill ??= setTimeout(() => this.fill(), REFILL_PAUSE)
  }

  #next(): void {
    while (
      this.#waiting.length > 0 &&
      this.#idle.length > 0 &&
      this.#running.size < this.#options.concurrency
    ) {
      const call = this.#waiting.shift()!
      const child = this.#idle.shift()!
      this.#running.set(call, child)
      child.run(call)
    }
  }

  /** A call has ended, for whatever reason: so does its process. */
  end(call: Call): void {
    const child = this.#running.get(call)
    if (!child) {
      this.#waiting = this.#waiting.filter((other) => other !== call)
      return
    }
    this.#running.delete(call)
    this.#options.kill(child.pid)
    child.close()
    this.#next()
    this.fill()
  }

  /** The parent says that a process has ended. */
  exited(exit: Exit): void {
    const child = this.#children.get(exit.pid)
    this.#children.delete(exit.pid)
    if (child) {
      const index = this.#idle.indexOf(child)
      if (index >= 0) {
        this.#idle.splice(index, 1)
        child.close()
      }
      child.exited(exit)
      this.fill()
    } else {
      this.#starting = Math.max(0, this.#starting - 1)
      for (const call of this.#waiting.splice(0)) call.fail(...exitFailure(exit))
      this.#refill ??= setTimeout(() => this.fill(), RETRY_PAUSE)
    }
  }

  get calls(): Call[] {
    return [...this.#running.keys(), ...this.#waiting]
  }

  close(): void {
    clearTimeout(this.#refill)
    for (const child of this.#children.values()) child.close()
  }
}
