import type { Logger } from '../common/logger.ts'

/** Milliseconds between two lines of one kind. */
const PAUSE = 10_000

interface Kind {
  next: number
  leftOut: number
}

/** For lines that strangers can cause: one of each message and `code` in ten seconds, with how many were left out. */
export class LimitedLog {
  readonly #logger: Logger
  readonly #kinds = new Map<string, Kind>()

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** `code` is one of a fixed set, so that the kinds stay few. */
  warn(message: string, code: string, fields: Record<string, unknown>): void {
    const now = performance.now()
    const key = `${message} ${code}`
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      kind = { next: 0, leftOut: 0 }
      this.#kinds.set(key, kind)
    }
    if (now < kind.next) {
      kind.leftOut++
      return
    }
    this.#logger.warn({ code, ...fields, ...(kind.leftOut > 0 && { leftOut: kind.leftOut }) }, message)
    kind.next = now + PAUSE
    kind.leftOut = 0
  }
}
