import type { ErrorCode } from '../common/errors.ts'
import type { ServerReview } from '../common/server-review.ts'
import type { Call } from './call.ts'
import { knownCode, type Router } from './router.ts'
import type { ReviewServer } from './server-review.ts'
import type { BrokerSettings } from './settings.ts'

/** What a client is told. */
export interface Reason {
  code: ErrorCode
  detail?: string | undefined
}

/** A server that is gone, as its session knows it. */
export interface Loss {
  user: string
  credential: string
  /** The calls that it ran. */
  calls: readonly Call[]
  /** Why, if the proxy knows no better. */
  reason: Reason
}

/**
 * Ends the calls of servers that are gone. An agent that is evicted, runs out of time or dies knows no more than that: what
 * the cluster says of its pod the proxy sees, so it is asked first, for a bounded time (C11).
 */
export class Losses {
  readonly #router: Router
  readonly #review: ReviewServer
  readonly #limits: BrokerSettings['servers']
  /** Under way. */
  readonly #open = new Set<Loss>()
  /** By credential: replicas of a server, and whoever drops connections of one again and again, share a question. */
  readonly #questions = new Map<string, Promise<ServerReview | undefined>>()

  constructor(router: Router, review: ReviewServer, limits: BrokerSettings['servers']) {
    this.#router = router
    this.#review = review
    this.#limits = limits
  }

  /** Calls that wait for a reason. */
  get waiting(): number {
    let calls = 0
    for (const loss of this.#open) calls += loss.calls.length
    return calls
  }

  tell(loss: Loss): void {
    const { reasonSeconds, maxReasons } = this.#limits
    // What is left of a call that still comes is dropped from here on, and a cancel needs nobody any more.
    for (const call of loss.calls) call.server = undefined
    if (loss.calls.length === 0) return
    const isKnown = this.#questions.has(loss.credential)
    if (reasonSeconds === 0 || (!isKnown && this.#questions.size >= maxReasons))
      return this.#end(loss, loss.reason)
    this.#open.add(loss)
    void this.#ask(loss.credential, reasonSeconds).then((review) => {
      if (this.#open.delete(loss)) this.#end(loss, better(loss, review) ?? loss.reason)
    })
  }

  /** Waits for nothing more. */
  close(): void {
    for (const loss of this.#open) this.#end(loss, loss.reason)
    this.#open.clear()
  }

  #ask(credential: string, seconds: number): Promise<ServerReview | undefined> {
    const asked = this.#questions.get(credential)
    if (asked) return asked
    const question = this.#review(credential, seconds).finally(() => this.#questions.delete(credential))
    this.#questions.set(credential, question)
    return question
  }

  #end({ calls }: Loss, { code, detail }: Reason): void {
    for (const call of calls) this.#router.fail(call, code, detail)
  }
}

function better({ user, reason }: Loss, review: ServerReview | undefined): Reason | undefined {
  if (review === undefined || review.user !== user) return undefined
  const { phase, message, code } = review
  if (phase === 'failed') return { code: knownCode(code, 'server_failed'), detail: message }
  if (phase === 'stopped') return { code: 'server_stopping', detail: message }
  if (phase === 'stopping')
    return code === undefined ? undefined : { code: knownCode(code, 'server_stopping'), detail: message }
  // Other replicas go on, and the message says why some do not.
  return phase === 'ready' && message !== '' ? { code: reason.code, detail: message } : undefined
}
