import type { Call, Runner } from './call.ts'
import { type Exit, stillbornFailure } from './failure.ts'

/**
 * Forking the next process and ending that of a call wait for this pause (ms) after a call's beginning and end. Both keep
 * a core busy for longer than a short call takes, and would be in the way of its last event.
 */
const TIDY_PAUSE = 5
/** After a process that ended before it was ready, the next is forked after this pause (ms). */
const RETRY_PAUSE = 500
/** A process whose call has ended regularly ends by itself when it is let go; after this pause (ms) it is killed. */
const KILL_PAUSE = 1000
/**
 * After so many processes in a row that were not even ready, over so many milliseconds, with no call that could be the
 * reason, none will be. Calls make the attempts come faster, and what an ended call has started takes time to end.
 */
const HOPELESS = 20
const HOPELESS_TIME = 10_000

/** A process for one call. */
export interface PooledChild extends Runner {
  pid: number
  /** It has sent its last message. */
  finished: boolean
  /** Nothing can be said to it any more. */
  gone: boolean
  run(call: Call): void
  exited(exit: Exit): void
  close(): void
}

export interface PoolOptions {
  prefork: number
  concurrency: number
  /** Orders to the worker's parent. */
  fork(count: number): void
  kill(pid: number): void
  /** No process can be made ready any more; the last exit says why. */
  onHopeless(exit: Exit): void
}

/** Keeps processes ready, gives each call one of its own, and ends the process with its call. */
export class Pool {
  readonly #options: PoolOptions
  readonly #children = new Map<number, PooledChild>()
  #idle: PooledChild[] = []
  readonly #running = new Map<Call, PooledChild>()
  #waiting: Call[] = []
  /** Ordered from the parent and not ready yet. */
  #starting = 0
  /** Processes in a row that ended before they were ready. */
  #stillbornCount = 0
  /** When the first of them ended (performance.now). */
  #stillbornSince = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  /** All calls that have not ended. */
  get calls(): Call[] {
    return [...this.#running.keys(), ...this.#waiting]
  }

  /** Orders processes so that enough are ready. */
  fill(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#forget()
    const { prefork, concurrency, fork } = this.#options
    const runnable = Math.min(this.#waiting.length, concurrency - this.#running.size)
    const missing = Math.max(prefork, runnable) - this.#idle.length - this.#starting
    if (missing <= 0) return
    this.#starting += missing
    fork(missing)
  }

  #fillAfter(pause: number): void {
    this.#timer ??= setTimeout(() => this.fill(), pause)
  }

  /** A process is ready. One that was not ordered is sent away, which bounds their number. */
  add(child: PooledChild): void {
    const ordered = this.#starting > 0 && !this.#children.has(child.pid)
    this.#starting = Math.max(0, this.#starting - 1)
    if (!ordered) return child.close()
    this.#stillbornCount = 0
    this.#children.set(child.pid, child)
    this.#idle.push(child)
    this.#next()
  }

  /** Runs a call as soon as there is a process for it; at most `concurrency` at once. */
  submit(call: Call): void {
    this.#waiting.push(call)
    this.#next()
    if (this.#waiting.length > 0) this.fill()
    else this.#fillAfter(TIDY_PAUSE)
  }

  /** What has closed its connection without a call is not waited for: it may never have been the worker's. */
  #forget(): void {
    for (const child of this.#idle) if (child.gone) this.#children.delete(child.pid)
    this.#idle = this.#idle.filter((child) => !child.gone)
  }

  #next(): void {
    this.#forget()
    while (this.#waiting.length > 0 && this.#idle.length > 0) {
      if (this.#running.size >= this.#options.concurrency) return
      const call = this.#waiting.shift()!
      const child = this.#idle.shift()!
      this.#running.set(call, child)
      child.run(call)
    }
  }

  /** A call has ended, for whatever reason: so does its process, with all that it has started. */
  end(call: Call): void {
    const child = this.#running.get(call)
    if (!child) {
      this.#waiting = this.#waiting.filter((other) => other !== call)
      return
    }
    this.#running.delete(call)
    if (child.finished) setTimeout(() => this.#letGo(child), TIDY_PAUSE).unref()
    else {
      this.#options.kill(child.pid)
      child.close()
    }
    this.#next()
    if (this.#waiting.length > 0 || this.#idle.length === 0) this.fill()
    else this.#fillAfter(TIDY_PAUSE)
  }

  #letGo(child: PooledChild): void {
    child.close()
    setTimeout(() => this.#children.has(child.pid) && this.#options.kill(child.pid), KILL_PAUSE).unref()
  }

  /** The parent says that a process has ended. */
  exited(exit: Exit): void {
    const child = this.#children.get(exit.pid)
    if (!child) return this.#stillborn(exit)
    this.#children.delete(exit.pid)
    const index = this.#idle.indexOf(child)
    if (index >= 0) this.#idle.splice(index, 1)
    child.exited(exit)
    if (index >= 0) this.#fillAfter(RETRY_PAUSE)
  }

  /** A process ended before it was ready: calls are not left waiting for the next one, which may do the same. */
  #stillborn(exit: Exit): void {
    this.#starting = Math.max(0, this.#starting - 1)
    if (this.#idle.length === 0) for (const call of [...this.#waiting]) call.fail(...stillbornFailure(exit))
    if (this.#running.size > 0 || this.#idle.length > 0) this.#stillbornCount = 0
    else if (this.#isHopeless()) this.#options.onHopeless(exit)
    this.#fillAfter(RETRY_PAUSE)
  }

  #isHopeless(): boolean {
    if (++this.#stillbornCount === 1) this.#stillbornSince = performance.now()
    return this.#stillbornCount >= HOPELESS && performance.now() - this.#stillbornSince >= HOPELESS_TIME
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const child of this.#children.values()) child.close()
  }
}
