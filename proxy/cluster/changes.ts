/** Tells any number of waiting readers that something has changed. A slow reader misses nothing but the steps between. */
export class Changes {
  #next = Promise.withResolvers<void>()

  /** Wakes everybody who waits. */
  notify(): void {
    this.#next.resolve()
    this.#next = Promise.withResolvers()
  }

  /** Resolves at the next change, or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const aborted = Promise.withResolvers<void>()
    const abort = () => aborted.resolve()
    signal.addEventListener('abort', abort)
    await Promise.race([this.#next.promise, aborted.promise])
    signal.removeEventListener('abort', abort)
  }
}
