import { type ErrorCode, RexecError } from '../common/errors.ts'
import { endEvent, errorEvent } from '../common/events.ts'
import type { Logger } from '../common/logger.ts'
import { CLIENT_CANCEL } from '../common/protocol.ts'
import { type Call, createCall } from './call.ts'
import { Lane } from './lane.ts'
import type { LimitedLog } from './limited-log.ts'
import type { BrokerMetrics } from './metrics.ts'
import { Pressure } from './pressure.ts'
import type { Proof, Prover } from './prover.ts'
import type { Router } from './router.ts'
import { Upload } from './upload.ts'
import type { Connection, Session } from './zmtp/connection.ts'
import { keep } from './zmtp/frame.ts'
import type { Fault } from './zmtp/parser.ts'
import type { Budget } from './zmtp/writer.ts'

/** What all client sessions share. Times in milliseconds. */
export interface ClientContext {
  router: Router
  prover: Prover
  metrics: BrokerMetrics
  logger: Logger
  limitedLog: LimitedLog
  budget: Budget
  outBytes: number
  lingerTime: number
}

const MAX_TOKEN = 16_384
const CANCEL = Buffer.from(CLIENT_CANCEL)
const NO_ENVELOPE: readonly Buffer[] = []
const NO_TOKEN = Buffer.alloc(0)

/** One client's connection (docs/protocol.md, section 2). */
export class ClientSession implements Session {
  readonly connection: Connection
  readonly lane: Lane
  /** The servers that feed this client. */
  readonly pressure = new Pressure()
  readonly #context: ClientContext
  readonly #calls = new Set<Call>()
  /** The token that was proven last, and what it proved (C2). */
  #token: Buffer = NO_TOKEN
  #proof: Proof | undefined
  #upload: Upload | undefined
  #gone = false

  constructor(connection: Connection, context: ClientContext) {
    this.connection = connection
    this.#context = context
    this.lane = new Lane(connection, context.budget, context.outBytes)
  }

  // --- from the client

  message(frames: Buffer[]): void {
    const at = delimiter(frames)
    if (at < 0) return this.connection.destroy('no delimiter')
    const envelope = at === 0 ? NO_ENVELOPE : frames.slice(0, at).map(keep)
    if (frames.length !== at + 4) return this.#refuse(envelope, 'message_malformed')
    const token = frames[at + 1]!
    const first = frames[at + 2]!
    const second = frames[at + 3]!
    if (this.#isProven(token)) this.#take(envelope, first, second)
    else {
      const kept = [keep(first), keep(second)] as const
      this.#prove(envelope, keep(token), () => this.#take(envelope, ...kept))
    }
  }

  streamBegin(frames: Buffer[]): void {
    const at = delimiter(frames)
    if (at < 0) return this.connection.destroy('no delimiter')
    const envelope = frames.slice(0, at).map(keep)
    const [token, ...body] = frames.slice(at + 1)
    if (token === undefined || body.length > 1) return this.#refuse(envelope, 'message_malformed', true)
    if (this.#isProven(token)) this.#takeStream(envelope, body)
    else {
      const kept = body.map(keep)
      this.#prove(envelope, keep(token), () => this.#takeStream(envelope, kept))
    }
  }

  frameBegin(size: number): void {
    if (this.#upload?.begin(size) === false) this.#breakOff('message_malformed')
  }

  frameData(chunk: Buffer): void {
    this.#context.metrics.bytesFromClients += chunk.length
    this.#upload?.data(chunk)
  }

  streamEnd(): void {
    const complete = this.#upload?.isComplete ?? true
    if (!complete) this.#breakOff('message_malformed')
    this.#upload = undefined
  }

  fault(reason: Fault, frames: Buffer[]): void {
    const code = reason === 'too_large' ? 'message_too_large' : 'message_malformed'
    const at = delimiter(frames)
    if (this.#upload) this.#breakOff(code)
    else if (reason === 'malformed' || at < 0) this.connection.destroy(reason)
    else this.#refuse(frames.slice(0, at).map(keep), code, true)
  }

  drained(): void {
    this.lane.drained()
    this.pressure.release()
  }

  stalled(): void {
    if (this.#calls.size === 0) return
    const { router, limitedLog } = this.#context
    limitedLog.warn('client too slow', 'client_too_slow', { address: this.connection.address })
    for (const call of [...this.#calls]) router.fail(call, 'client_too_slow')
  }

  closed(): void {
    this.#gone = true
    this.lane.close()
    this.pressure.release()
    for (const call of this.#calls) {
      call.over = true
      this.#context.router.withdraw(call)
      call.server?.cancel(call, 'client gone')
      this.#context.router.ended(call, 'client_gone')
    }
    this.#calls.clear()
  }

  // --- to the client

  /** An event after which more follow. */
  event(call: Call, payload: Buffer): void {
    this.lane.whole(call, payload)
  }

  /** The call's last event has been written. */
  finish(call: Call): void {
    call.over = true
    this.#calls.delete(call)
    if (this.#upload?.call === call) this.#upload.go()
  }

  /** The broker ends a call, whatever stands half-written. */
  abort(call: Call, last: Buffer): void {
    this.lane.abort(call, last)
    this.finish(call)
  }

  /** A server has taken the call: what is left of a streamed one may come. */
  started(call: Call): void {
    if (this.#upload?.call === call) this.#upload.go()
  }

  // --- inner

  /** Whether it is known whose token this is; after that #proof says it. */
  #isProven(token: Buffer): boolean {
    if (this.#proof !== undefined && this.#token.equals(token) && this.#proof.until > Date.now()) return true
    if (token.length === 0 || token.length > MAX_TOKEN) return false
    const proof = this.#context.prover.recall(token)
    if (proof === undefined) return false
    this.#token = keep(token)
    this.#proof = proof
    return true
  }

  /** Goes on with what was kept when the token is proven; reads nothing else of this client until that is known. */
  #prove(envelope: readonly Buffer[], token: Buffer, then: () => void): void {
    if (token.length === 0) return this.#refuse(envelope, 'token_missing')
    if (token.length > MAX_TOKEN) return this.#refuse(envelope, 'token_invalid')
    const { router, prover, logger } = this.#context
    this.connection.hold()
    router.arriving++
    prover
      .prove(token)
      .then(
        (proof) => {
          this.#token = token
          this.#proof = proof
          if (!this.#gone) then()
        },
        (error) => this.#refuse(envelope, error),
      )
      .catch((error) => logger.error({ err: error }, 'message failed'))
      .finally(() => {
        router.arriving--
        this.connection.release()
      })
  }

  #take(envelope: readonly Buffer[], first: Buffer, second: Buffer): void {
    if (first.length === CANCEL.length && first.equals(CANCEL)) return this.#cancel(envelope, second)
    this.#context.metrics.bytesFromClients += first.length + second.length
    this.#context.router.submit(this.#call(envelope, [first, second], false))
  }

  #takeStream(envelope: readonly Buffer[], body: Buffer[]): void {
    const call = this.#call(envelope, body, true)
    this.#upload = new Upload(call)
    this.#context.router.submit(call)
    // Until a server takes it, the rest stays with the client.
    if (!call.over && call.server === undefined) this.#upload.wait()
  }

  #call(envelope: readonly Buffer[], body: Buffer[], streamed: boolean): Call {
    const { user, server } = this.#proof!
    const call = createCall({
      client: this,
      envelope,
      user,
      serverName: server,
      token: this.#token,
      body,
      streamed,
    })
    this.#calls.add(call)
    return call
  }

  /** C5. */
  #cancel(envelope: readonly Buffer[], text: Buffer): void {
    const { user } = this.#proof!
    const reason = text.toString().slice(0, 200)
    for (const call of [...this.#calls]) {
      if (call.user !== user || !sameFrames(call.envelope, envelope)) continue
      if (call.server !== undefined) call.server.cancel(call, reason)
      else {
        this.#context.router.withdraw(call)
        this.abort(call, endEvent({ reason }))
        this.#context.router.ended(call, 'cancelled')
      }
    }
  }

  /** A message is not what it should be, after its call has begun. */
  #breakOff(code: ErrorCode): void {
    const { router, lingerTime } = this.#context
    if (this.#upload) router.fail(this.#upload.call, code)
    this.connection.end(code, lingerTime)
  }

  /** Answers with an ERROR (C7); `andEnd` when the rest of the message cannot be read. */
  #refuse(envelope: readonly Buffer[], error: unknown, andEnd = false): void {
    if (this.#gone) return
    const known = error instanceof RexecError
    const code = known ? error.code : typeof error === 'string' ? (error as ErrorCode) : 'internal'
    this.#context.metrics.refused(code)
    this.#context.limitedLog.warn('client message refused', code, { address: this.connection.address })
    this.lane.whole({ envelope }, errorEvent(code, known ? error.detail : undefined))
    if (andEnd) this.connection.end(code, this.#context.lingerTime)
    else if (this.connection.isFull) this.pressure.hold(this.connection)
  }
}

/** Where the envelope ends, -1 when it does not. */
function delimiter(frames: readonly Buffer[]): number {
  for (let at = 0; at < frames.length; at++) if (frames[at]!.length === 0) return at
  return -1
}

function sameFrames(a: readonly Buffer[], b: readonly Buffer[]): boolean {
  return a.length === b.length && a.every((frame, i) => frame.equals(b[i]!))
}
