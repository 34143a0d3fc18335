import { setTimeout } from 'node:timers/promises'
import { RexecError } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import type { TokenReview } from '../common/token-review.ts'
import type { Call } from './call.ts'
import { awakeTime } from './clock.ts'
import type { Identify } from './prover.ts'
import { knownCode, type Router, show, type User } from './router.ts'
import type { BrokerSettings } from './settings.ts'

type Unconnected = Map<Call, number>

/** Phases from which a server can become ready. */
const COMING = new Set<string>(['pending', 'starting', 'installing'])

const UNCONNECTED = 'Your server is ready. This call waits until it has connected to this broker.'

/**
 * While calls of a user wait and no server is connected that could take them, the proxy is asked how the user's
 * servers are: the calls fail at once when none is coming, and are shown how the start goes (C3, C4). One question per
 * user is under way, with a pause in between; when the proxy does not answer, the calls go on waiting. A server that is
 * ready connects within seconds to a broker that has just started: after a longer time it never will.
 */
export class Inquiry {
  readonly #router: Router
  readonly #identify: Identify
  readonly #logger: Logger
  readonly #pause: number
  readonly #patience: number
  readonly #asking = new Set<User>()
  readonly #stopped = new AbortController()

  constructor(router: Router, identify: Identify, settings: BrokerSettings['queue'], logger: Logger) {
    this.#router = router
    this.#identify = identify
    this.#pause = settings.askSeconds * 1000
    this.#patience = settings.connectSeconds * 1000
    this.#logger = logger
    router.whenServerless = (user) => void this.#watch(user)
  }

  close(): void {
    this.#stopped.abort()
  }

  async #watch(user: User): Promise<void> {
    if (this.#asking.has(user)) return
    this.#asking.add(user)
    /** Since when calls wait for a server that is ready. */
    const unconnected: Unconnected = new Map()
    try {
      for (
        let calls = this.#router.serverless(user);
        calls.length > 0;
        calls = this.#router.serverless(user)
      ) {
        for (const call of unconnected.keys()) if (!calls.includes(call)) unconnected.delete(call)
        // What a token for one server tells is nothing about the calls to another.
        for (const [server, { token }] of new Map(calls.map((call) => [call.serverName, call])))
          await this.#ask(user, server, token, unconnected)
        await setTimeout(this.#pause, undefined, { signal: this.#stopped.signal })
      }
    } catch (error) {
      if (!this.#stopped.signal.aborted) this.#logger.error({ err: error }, 'question about servers failed')
    } finally {
      this.#asking.delete(user)
    }
  }

  async #ask(user: User, server: string | undefined, token: Buffer, unconnected: Unconnected): Promise<void> {
    try {
      const review = await this.#identify(token.toString())
      if (review.user !== user.name) throw new RexecError('token_invalid')
      for (const call of this.#router.serverless(user))
        if (call.serverName === server) this.#judge(call, review, unconnected)
    } catch (error) {
      // A verdict about the token ends the calls that came with it; without an answer they go on waiting.
      if (!(error instanceof RexecError)) throw error
      if (error.status >= 500) return this.#logger.warn({ code: error.code }, 'the proxy does not answer')
      for (const call of this.#router.serverless(user))
        if (call.token.equals(token)) this.#router.fail(call, error.code, error.detail)
    }
  }

  #judge(call: Call, review: TokenReview, unconnected: Unconnected): void {
    const servers = review.servers.filter(({ name }) => !call.serverName || name === call.serverName)
    const isReady = servers.some(({ phase }) => phase === 'ready')
    const coming = servers.find(({ phase }) => COMING.has(phase))
    if (coming || !isReady) unconnected.delete(call)
    if (coming) return show(call, coming.message)
    if (isReady) return this.#awaitConnection(call, unconnected)
    const failed = servers.find(({ phase }) => phase === 'failed')
    if (failed) return this.#router.fail(call, knownCode(failed.code, 'server_failed'), failed.message)
    const stopping = servers.find(({ phase }) => phase === 'stopping')
    if (stopping) {
      const detail = stopping.code && stopping.message
      return this.#router.fail(call, knownCode(stopping.code, 'server_stopping'), detail)
    }
    // Why the only one has ended, such as for want of calls.
    this.#router.fail(call, 'no_server', servers.length === 1 ? servers[0]!.message : undefined)
  }

  #awaitConnection(call: Call, unconnected: Unconnected): void {
    const now = awakeTime()
    const since = unconnected.get(call)
    if (since === undefined) unconnected.set(call, now)
    else if (now - since >= this.#patience) this.#router.fail(call, 'server_not_connected')
    else show(call, UNCONNECTED)
  }
}
