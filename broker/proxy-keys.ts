import { setTimeout as sleep } from 'node:timers/promises'
import { RexecError } from '../common/errors.ts'
import { type PublicKeys, parsePublicKeys } from '../common/keys.ts'
import type { Logger } from '../common/logger.ts'
import { createVerifier, kidOf, type Verifier } from '../common/tokens.ts'
import { LimitedLog } from './limited-log.ts'
import type { ProxyClient } from './proxy-client.ts'

export interface ProxyKeysOptions {
  proxy: ProxyClient
  /** Milliseconds between two questions without need, and between any two. */
  refresh: number
  pause: number
  /** Tokens by unknown keys that may wait for an answer; anybody can make some up. */
  maxWaiting: number
  logger: Logger
}

/**
 * The proxy's public keys, as it publishes them. They are asked for again from time to time, and when a token names a key
 * that is not known; the ones there are stay while the proxy is away.
 */
export class ProxyKeys {
  /** Resolves when there are keys for the first time. */
  readonly known: Promise<void>
  readonly #options: ProxyKeysOptions
  readonly #limitedLog: LimitedLog
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #becomeKnown!: () => void
  #verify: Verifier | undefined
  #kids = new Set<unknown>()
  #asking: Promise<void> | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  #waiting = 0

  constructor(options: ProxyKeysOptions) {
    this.#options = options
    this.#limitedLog = new LimitedLog(options.logger)
    this.known = new Promise((resolve) => {
      this.#becomeKnown = resolve
    })
    this.#running = this.#run()
  }

  get areKnown(): boolean {
    return this.#verify !== undefined
  }

  /** As createVerifier; a token by a key that cannot be asked about now rejects with identity_unavailable. */
  readonly verify: Verifier = async (kind, token) => {
    const kid = kidOf(token)
    if (kid !== undefined && !this.#kids.has(kid)) await this.#renewed()
    if (this.#verify === undefined) throw new RexecError('identity_unavailable')
    return this.#verify(kind, token)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#renew().catch(() => {})
      const wait = this.areKnown ? this.#options.refresh : 0
      await sleep(wait, undefined, { signal }).catch(() => {})
    }
  }

  /** Resolves after an answer to a question that was asked from now on: an older one says nothing of what comes now. */
  async #renewed(): Promise<void> {
    if (this.#waiting >= this.#options.maxWaiting) throw new RexecError('identity_unavailable')
    const since = performance.now()
    this.#waiting++
    try {
      while (this.#askedAt < since) await this.#renew()
    } finally {
      this.#waiting--
    }
  }

  /** One question at a time, with a pause in between: who comes meanwhile waits for the same answer. */
  #renew(): Promise<void> {
    this.#asking ??= this.#askInTime().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  async #askInTime(): Promise<void> {
    const { pause } = this.#options
    const wait = this.#askedAt + pause - performance.now()
    try {
      if (wait > 0) await sleep(wait, undefined, { signal: this.#closing.signal })
      this.#closing.signal.throwIfAborted()
      this.#askedAt = performance.now()
      this.#take(await this.#ask())
    } catch (error) {
      if (!this.#closing.signal.aborted)
        this.#limitedLog.warn('the proxy did not give its public keys', 'keys', {
          url: this.#options.proxy.url,
          reason: (error as Error).message,
        })
      throw new RexecError('identity_unavailable')
    }
  }

  async #ask(): Promise<PublicKeys> {
    const { status, body } = await this.#options.proxy.get('/.well-known/jwks.json')
    if (status !== 200) throw new Error(`status ${status}`)
    return parsePublicKeys(body)
  }

  #take(publicKeys: PublicKeys): void {
    const kids = new Set<unknown>(publicKeys.keys.map(({ kid }) => kid))
    if (kids.size !== this.#kids.size || [...kids].some((kid) => !this.#kids.has(kid)))
      this.#options.logger.info({ kids: [...kids] }, 'the public keys of the proxy')
    this.#kids = kids
    this.#verify = createVerifier(publicKeys)
    this.#becomeKnown()
  }
}
