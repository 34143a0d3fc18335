import { setTimeout } from 'node:timers/promises'
import { RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { TokenReview } from '../common/token-review.ts'
import type { Call } from './call.ts'
import type { Identify } from './prover.ts'
import { knownCode, type Router, show, type User } from './router.ts'

/** Phases from which a server can become ready, or is so and has not connected yet. */
const COMING = new Set<string>(['pending', 'starting', 'installing', 'ready'])

/**
 * While calls of a user wait and no server is connected that could take them, the proxy is asked how the user's
 * servers are: the calls fail at once when none is coming, and are shown how the start goes (C3, C4). One question per
 * user is under way, with a pause in between; when the proxy does not answer, the calls go on waiting.
 */
export class Inquiry {
  readonly #router: Router
  readonly #identify: Identify
  readonly #logger: Logger
  readonly #pause: number
  readonly #asking = new Set<User>()
  readonly #stopped = new AbortController()

  /** `pause` in milliseconds. */
  constructor(router: Router, identify: Identify, pause: number, logger: Logger) {
    this.#router = router
    this.#identify = identify
    this.#pause = pause
    this.#logger = logger
    router.whenServerless = (user) => void this.#watch(user)
  }

  close(): void {
    this.#stopped.abort()
  }

  async #watch(user: User): Promise<void> {
    if (this.#asking.has(user)) return
    this.#asking.add(user)
    try {
      for (
        let calls = this.#router.serverless(user);
        calls.length > 0;
        calls = this.#router.serverless(user)
      ) {
        // What a token for one server tells is nothing about the calls to another.
        for (const [server, { token }] of new Map(calls.map((call) => [call.serverName, call])))
          await this.#ask(user, server, token)
        await setTimeout(this.#pause, undefined, { signal: this.#stopped.signal })
      }
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#logger.error({ err: error }, 'question about servers failed')
    } finally {
      this.#asking.delete(user)
    }
  }

  async #ask(user: User, server: string | undefined, token: Buffer): Promise<void> {
    try {
      const review = await this.#identify(token.toString())
      if (review.user !== user.name) throw new RexecError('token_invalid')
      for (const call of this.#router.serverless(user))
        if (call.serverName === server) this.#judge(call, review)
    } catch (error) {
      // A verdict about the token ends the calls that came with it; without an answer they go on waiting.
      if (!(error instanceof RexecError)) throw error
      if (error.status >= 500) return this.#logger.warn({ code: error.code }, 'the proxy does not answer')
      for (const call of this.#router.serverless(user))
        if (call.token.equals(token)) this.#router.fail(call, error.code, error.detail)
    }
  }

  #judge(call: Call, review: TokenReview): void {
    const servers = review.servers.filter(({ name }) => !call.serverName || name === call.serverName)
    const coming = servers.find(({ phase }) => COMING.has(phase))
    if (coming) return show(call, coming.message)
    const failed = servers.find(({ phase }) => phase === 'failed')
    if (failed) this.#router.fail(call, knownCode(failed.code, 'server_failed'), failed.message)
    else if (servers.some(({ phase }) => phase === 'stopping')) this.#router.fail(call, 'server_stopping')
    else this.#router.fail(call, 'no_server')
  }
}
