import type { Connection } from './zmtp/connection.ts'

/** The connections that feed a slow peer: held while it has too much to take (P6). */
export class Pressure {
  readonly #held = new Set<Connection>()

  hold(source: Connection): void {
    if (this.#held.has(source)) return
    this.#held.add(source)
    source.hold()
  }

  /** Lets all go on: the peer takes bytes again, or is gone. */
  release(): void {
    const held = [...this.#held]
    this.#held.clear()
    for (const source of held) source.release()
  }
}
