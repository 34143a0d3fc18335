/** Remembers values for a time, a bounded number of them; the least recently used is forgotten first. */
export class Recent<V> {
  readonly #entries = new Map<string, { value: V; until: number }>()
  readonly #milliseconds: number
  readonly #maxEntries: number
  readonly #now: () => number

  /** `now` is a clock in milliseconds that never goes back. */
  constructor(options: { seconds: number; maxEntries: number; now: () => number }) {
    this.#milliseconds = options.seconds * 1000
    this.#maxEntries = options.maxEntries
    this.#now = options.now
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    this.#entries.delete(key)
    if (entry.until <= this.#now()) return undefined
    // A Map keeps the order of insertion: the last used stands last.
    this.#entries.set(key, entry)
    return entry.value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, { value, until: this.#now() + this.#milliseconds })
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(this.#entries.keys().next().value!)
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }
}
