import { hash } from 'node:crypto'
import { RexecError } from '../common/errors.ts'
import type { TokenReview } from '../common/token-review.ts'
import { looksLikeOurs, type Verifier } from '../common/tokens.ts'
import type { BrokerSettings } from './settings.ts'

/** Asks the proxy whose token this is. Rejects with RexecError. */
export type Identify = (token: string) => Promise<TokenReview>

/** What a token proves. */
export interface Proof {
  user: string
  /** The only server that the token is for, if it names one. */
  server: string | undefined
  /** Until when this may be believed without another check (Date.now, ms). */
  until: number
}

interface Remembered {
  proof: Promise<Proof>
  /** The same, when it is there. */
  answer?: Proof
  until: number
}

/**
 * Proves the tokens of clients (C2). Answers are remembered under the token's hash, each for its time; one check is
 * under way per token. Rejects with RexecError.
 */
export class Prover {
  readonly #verify: Verifier
  readonly #identify: Identify
  readonly #settings: Pick<BrokerSettings, 'tokens' | 'acceptIdentityTokens'>
  readonly #remembered = new Map<string, Remembered>()
  #checks = 0

  constructor(
    verify: Verifier,
    identify: Identify,
    settings: Pick<BrokerSettings, 'tokens' | 'acceptIdentityTokens'>,
  ) {
    this.#verify = verify
    this.#identify = identify
    this.#settings = settings
  }

  /** What is known of a token without asking; the Rexec clients show theirs on a new connection for every call. */
  recall(token: Buffer): Proof | undefined {
    const answer = this.#remembered.get(keyOf(token))?.answer
    return answer && answer.until > Date.now() ? answer : undefined
  }

  prove(token: Buffer): Promise<Proof> {
    const key = keyOf(token)
    const known = this.#remembered.get(key)
    if (known && known.until > Date.now()) return known.proof
    const entry: Remembered = { proof: this.#check(token.toString()), until: Number.POSITIVE_INFINITY }
    this.#remember(key, entry)
    entry.proof.then(
      (proof) => {
        entry.answer = proof
        entry.until = proof.until
      },
      (error) => {
        // Only a verdict is remembered, not that the proxy did not answer.
        const verdict = error instanceof RexecError && error.status < 500
        if (verdict) entry.until = Date.now() + this.#settings.tokens.refusedSeconds * 1000
        else if (this.#remembered.get(key) === entry) this.#remembered.delete(key)
      },
    )
    return entry.proof
  }

  async #check(token: string): Promise<Proof> {
    const { rememberSeconds, maxChecks } = this.#settings.tokens
    const latest = Date.now() + rememberSeconds * 1000
    if (looksLikeOurs(token)) {
      const { user, server, expiresAt } = await this.#verify('exec', token)
      return { user, server, until: Math.min(latest, expiresAt * 1000) }
    }
    if (!this.#settings.acceptIdentityTokens) throw new RexecError('token_wrong_kind')
    if (this.#checks >= maxChecks) throw new RexecError('broker_overloaded')
    this.#checks++
    try {
      const { user, server, expiresAt } = await this.#identify(token)
      return { user, server, until: Math.min(latest, (expiresAt ?? Number.POSITIVE_INFINITY) * 1000) }
    } finally {
      this.#checks--
    }
  }

  #remember(key: string, entry: Remembered): void {
    this.#remembered.delete(key)
    this.#remembered.set(key, entry)
    if (this.#remembered.size <= this.#settings.tokens.maxRemembered) return
    const oldest = this.#remembered.keys().next().value
    if (oldest !== undefined) this.#remembered.delete(oldest)
  }
}

/** Tokens are not kept, their hashes are. */
function keyOf(token: Buffer): string {
  return hash('sha256', token, 'base64')
}
