import { appendFileSync, existsSync, readFileSync, renameSync } from 'node:fs'
import { redact } from '../../../common/logger.ts'
import { Changes } from '../changes.ts'

/** Bytes of a log file; then it becomes FILE.1 and the one before is gone. So twice this is kept. */
const MAX_BYTES = 4 * 1024 * 1024
/** Lines that a slow follower may lag behind; then it is told how many it missed. */
const MAX_LAG = 10_000

/**
 * The log of one server. Writing is synchronous: so the lines are in order, and a reader sees each exactly once.
 */
export class LogFile {
  readonly #path: string
  readonly #maxBytes: number
  readonly #maxLag: number
  readonly #changes = new Changes()
  readonly #followers = new Set<Follower>()
  #bytes = 0
  #ended = false

  constructor(path: string, { maxBytes = MAX_BYTES, maxLag = MAX_LAG } = {}) {
    this.#path = path
    this.#maxBytes = maxBytes
    this.#maxLag = maxLag
    // What an earlier process wrote last may tell why it ended.
    if (existsSync(path)) renameSync(path, `${path}.1`)
  }

  /** Adds a line; what looks like a secret is taken out. */
  write(line: string): void {
    if (this.#ended) return
    const text = `${redact(line)}\n`
    try {
      this.#append(text)
    } catch {
      // A full disk must not end the service; those who follow still see the line.
    }
    for (const follower of this.#followers) {
      follower.lines.push(text.slice(0, -1))
      if (follower.lines.length > this.#maxLag) {
        follower.lines.shift()
        follower.missed += 1
      }
    }
    this.#changes.notify()
  }

  #append(text: string): void {
    const bytes = Buffer.byteLength(text)
    if (this.#bytes + bytes > this.#maxBytes && this.#bytes > 0) {
      renameSync(this.#path, `${this.#path}.1`)
      this.#bytes = 0
    }
    appendFileSync(this.#path, text, { mode: 0o600 })
    this.#bytes += bytes
  }

  /** Nothing more will be written: followers come to their end. */
  end(): void {
    this.#ended = true
    this.#changes.notify()
  }

  /** The lines so far and, with `follow`, those to come until the log ends or `signal` aborts. */
  async *read(follow: boolean, signal: AbortSignal): AsyncGenerator<string> {
    const follower: Follower = { lines: [], missed: 0 }
    if (follow) this.#followers.add(follower)
    try {
      for (const line of this.#soFar()) {
        if (signal.aborted) return
        yield line
      }
      while (!signal.aborted) {
        if (follower.missed > 0) {
          yield `… ${follower.missed} lines left out: they came faster than they were read`
          follower.missed = 0
        }
        const line = follower.lines.shift()
        if (line !== undefined) yield line
        else if (!follow || this.#ended) return
        else await this.#changes.wait(signal)
      }
    } finally {
      this.#followers.delete(follower)
    }
  }

  #soFar(): string[] {
    const text = [`${this.#path}.1`, this.#path].map(readIfThere).join('')
    return text.split('\n').slice(0, -1)
  }
}

interface Follower {
  lines: string[]
  missed: number
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
