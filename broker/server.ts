import { type ErrorCode, RexecError, sentence } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import {
  PROTOCOL_VERSION,
  type ServerInfo,
  type ServerState,
  Verb,
  type Welcome,
} from '../common/protocol.ts'
import type { Verifier } from '../common/tokens.ts'
import type { Call } from './call.ts'
import { awakeTime } from './clock.ts'
import { EventReader } from './event-reader.ts'
import type { LimitedLog } from './limited-log.ts'
import type { Losses, Reason } from './losses.ts'
import type { BrokerMetrics } from './metrics.ts'
import { Pressure } from './pressure.ts'
import { knownCode, type Router } from './router.ts'
import { parseReady, parseState } from './server-messages.ts'
import type { Connection, Session } from './zmtp/connection.ts'

/** What all server sessions share. Times in milliseconds. */
export interface ServerContext {
  router: Router
  losses: Losses
  verify: Verifier
  metrics: BrokerMetrics
  logger: Logger
  limitedLog: LimitedLog
  maxConcurrency: number
  /** Of a streamed event. */
  maxEventBytes: number
  handshakeTime: number
  heartbeatTime: number
  timeout: number
  lingerTime: number
  /** A credential that has been proven is believed for this time. */
  rememberTime: number
  /** Sessions that get ticks. */
  sessions: Set<ServerSession>
}

type State = 'connected' | 'starting' | 'ready' | 'draining' | 'closed'

const CALL = Buffer.from(Verb.CALL)
const CANCEL = Buffer.from(Verb.CANCEL)
const FRAME = Buffer.from(Verb.FRAME)
const PART = Buffer.from(Verb.PART)
const HEARTBEAT = Buffer.from(Verb.HEARTBEAT)
const SILENT = 'silent'

/** One server's connection (docs/protocol.md, section 3). */
export class ServerSession implements Session {
  readonly connection: Connection
  /** The clients that feed this server. */
  readonly pressure = new Pressure()
  /** From the credential; empty before the WELCOME. */
  user = ''
  name = ''
  /** The last progress line of its start. */
  progress = ''
  readonly #context: ServerContext
  readonly #calls = new Map<number, Call>()
  readonly #events: EventReader
  #state: State = 'connected'
  #concurrency = 0
  #drainReason = ''
  /** What the server has said of its own failure. */
  #failure: Reason | undefined
  #credential = ''
  /** When the credential ends (Date.now, ms). */
  #expiresAt = 0
  #provenAt = 0
  readonly #openedAt = awakeTime()
  #heardAt = this.#openedAt
  #heard = false
  #beatAt = this.#openedAt

  constructor(connection: Connection, context: ServerContext) {
    this.connection = connection
    this.#context = context
    this.#events = new EventReader(connection, this.#calls, context, {
      finished: (call) => this.#finished(call),
      offence: (what) => this.#offence(what),
    })
    context.sessions.add(this)
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  get isStarting(): boolean {
    return this.#state === 'starting'
  }

  get isWelcome(): boolean {
    return this.#state !== 'connected' && this.#state !== 'closed'
  }

  get outstanding(): number {
    return this.#calls.size
  }

  /** It can be given a call now. */
  get hasRoom(): boolean {
    return this.#state === 'ready' && this.#calls.size < this.#concurrency
  }

  // --- to the server

  start(call: Call): void {
    const { connection } = this
    call.server = this
    this.#calls.set(call.number, call)
    connection.frame(CALL, true)
    if (call.streamed) {
      connection.frame(call.id, false)
      for (const frame of call.body) this.part(call, frame.length, frame)
    } else {
      connection.frame(call.id, true)
      connection.frame(call.body[0]!, true)
      connection.frame(call.body[1]!, false)
      this.#slowDown(call)
    }
    call.body = []
    call.client.started(call)
  }

  /** Bytes of a streamed call; `size` with the first of a frame. */
  part(call: Call, size: number | undefined, chunk: Buffer): void {
    const { connection } = this
    connection.frame(size === undefined ? PART : FRAME, true)
    connection.frame(call.id, true)
    if (size !== undefined) connection.frame(Buffer.from(String(size)), true)
    connection.frame(chunk, false)
    this.#slowDown(call)
  }

  /** Tells the server to stop a call; it still says how it ended (S5). */
  cancel(call: Call, reason: string): void {
    if (call.cancelled || !this.#calls.has(call.number)) return
    call.cancelled = true
    this.connection.frame(CANCEL, true)
    this.connection.frame(call.id, true)
    this.connection.frame(Buffer.from(reason), false)
  }

  /** Ends all its calls with an error of the broker. */
  failCalls(code: ErrorCode): void {
    for (const call of [...this.#calls.values()]) this.#context.router.fail(call, code)
  }

  // --- from the server

  message(frames: Buffer[]): void {
    this.#heard = true
    const verb = frames[0]!.toString('latin1')
    if (this.#state === 'connected') {
      if (verb === Verb.READY) this.#hello(frames)
      else this.#offence('READY expected')
      return
    }
    switch (verb) {
      case Verb.EVENT:
      case Verb.FRAME:
      case Verb.PART:
        return this.#events.message(verb, frames)
      case Verb.HEARTBEAT:
        return
      case Verb.STATE:
        return this.#stateMessage(frames)
      case Verb.DRAIN:
        this.#drainReason = frames[1]?.toString().slice(0, 1000) ?? ''
        return this.#drain()
      default:
        this.#offence('unknown verb')
    }
  }

  // A long message: only those about events may be so long.

  streamBegin(frames: Buffer[]): void {
    this.#heard = true
    if (this.#state === 'connected') this.#offence('message too long')
    else this.#events.streamBegin(frames)
  }

  frameBegin(size: number): void {
    this.#events.frameBegin(size)
  }

  frameData(chunk: Buffer): void {
    this.#events.frameData(chunk)
  }

  streamEnd(): void {
    this.#events.streamEnd()
  }

  fault(reason: string): void {
    this.#offence(reason)
  }

  drained(): void {
    this.pressure.release()
  }

  stalled(): void {
    this.connection.destroy('does not read')
  }

  closed(reason: string): void {
    const { router, losses, logger, sessions } = this.#context
    const wasWelcome = this.isWelcome
    this.#state = 'closed'
    sessions.delete(this)
    this.pressure.release()
    if (!wasWelcome) return
    logger.info({ user: this.user, server: this.name, reason, calls: this.#calls.size }, 'server lost')
    const { user } = this
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    router.removeServer(this)
    losses.tell({ user, credential: this.#credential, calls, reason: this.#reasonOf(reason) })
  }

  /** Heartbeats, silence, the end of the credential. Called a few times a second. */
  tick(now: number): void {
    const { handshakeTime, heartbeatTime, timeout } = this.#context
    if (this.#heard || this.connection.isHeld) {
      this.#heard = false
      this.#heardAt = now
    }
    if (this.#state === 'connected') {
      if (now - this.#openedAt > handshakeTime) this.connection.destroy('no READY in time')
      return
    }
    if (now - this.#heardAt > timeout) return this.connection.destroy(SILENT)
    if (now - this.#beatAt >= heartbeatTime) {
      this.#beatAt = now
      this.connection.frame(HEARTBEAT, false)
    }
    if (this.#state !== 'draining' && Date.now() >= this.#expiresAt) {
      this.#drainReason = 'its credential has expired'
      this.#drain()
    }
    if (this.#state !== 'draining' && now - this.#provenAt >= this.#context.rememberTime)
      this.#proveAgain(now)
  }

  // --- inner

  /** As far as it is known here. */
  #reasonOf(closed: string): Reason {
    if (this.#failure) return this.#failure
    const code = 'server_lost'
    if (this.#drainReason) return { code, detail: `The server said: ${this.#drainReason}` }
    const seconds = this.#context.timeout / 1000
    const detail = `It has said nothing for ${seconds} seconds: its node may be lost, or cut off.`
    return { code, ...(closed === SILENT && { detail }) }
  }

  #hello(frames: Buffer[]): void {
    const ready = parseReady(frames)
    if (ready === undefined) return this.#offence('READY is malformed')
    if (ready.version !== PROTOCOL_VERSION)
      return this.#refuse(
        'credential_refused',
        `This broker speaks version ${PROTOCOL_VERSION} of the protocol.`,
      )
    this.connection.hold()
    this.#context
      .verify('server', ready.credential)
      .then(
        (claims) => {
          if (this.#state === 'closed') return
          this.user = claims.user
          this.name = claims.server!
          this.#credential = ready.credential
          // Servers come all at once when a broker has been replaced; they are not to be proven again all at once.
          this.#provenAt = awakeTime() - Math.random() * this.#context.rememberTime
          this.#expiresAt = claims.expiresAt * 1000
          this.#welcome(ready.info)
        },
        (error) => this.#notProven(error),
      )
      .catch((error) => this.#context.logger.error({ err: error }, 'READY failed'))
      .finally(() => this.connection.release())
  }

  #welcome({ concurrency, state }: ServerInfo): void {
    const { router, logger, heartbeatTime, timeout, maxConcurrency } = this.#context
    this.#concurrency = Math.min(concurrency, maxConcurrency)
    this.#state = 'starting'
    const welcome: Welcome = { heartbeat: heartbeatTime / 1000, timeout: timeout / 1000 }
    this.connection.frame(Buffer.from(Verb.WELCOME), true)
    this.connection.frame(Buffer.from(JSON.stringify(welcome)), false)
    logger.info(
      { user: this.user, server: this.name, address: this.connection.address, state },
      'server connected',
    )
    router.addServer(this)
    this.#goTo({ state, message: '' })
  }

  /** The key that has signed the credential may have been taken away, such as after a leak (S1). */
  #proveAgain(now: number): void {
    this.#provenAt = now
    this.#context.verify('server', this.#credential).catch((error) => {
      // That nobody can tell now is no verdict.
      if (!(error instanceof RexecError) || error.status >= 500 || this.#state === 'closed') return
      this.#context.metrics.refused('credential_refused')
      this.connection.destroy('its credential is not valid any more')
    })
  }

  #notProven(error: unknown): void {
    const known = error instanceof RexecError
    // That nobody can tell now is no verdict: a refused server would end, one that is closed comes again (S1).
    if (!known || error.status < 500)
      return this.#refuse('credential_refused', known ? error.detail : undefined)
    this.#context.metrics.refused(error.code)
    this.connection.destroy(error.code)
  }

  #refuse(code: ErrorCode, detail?: string): void {
    if (this.#state === 'closed') return
    this.#context.metrics.refused(code)
    this.#context.limitedLog.warn('server refused', code, { address: this.connection.address, detail })
    this.connection.frame(Buffer.from(Verb.REFUSED), true)
    this.connection.frame(Buffer.from(code), true)
    this.connection.frame(Buffer.from(sentence(code, detail)), false)
    this.connection.end(code, this.#context.lingerTime)
  }

  #stateMessage(frames: Buffer[]): void {
    const state = parseState(frames)
    if (state === undefined) return this.#offence('STATE is malformed')
    if (this.#state !== 'draining') this.#goTo(state)
  }

  #goTo({ state, message, code }: ServerState): void {
    const { router } = this.#context
    this.progress = message
    if (state === 'ready') {
      this.#state = 'ready'
      router.dispatch(this.user)
    } else if (state === 'installing') {
      this.#state = 'starting'
      router.progress(this)
    } else {
      this.#state = 'draining'
      this.#failure = { code: knownCode(code, 'install_failed'), detail: message }
      router.lostServer(this, { code: this.#failure.code, message })
      // Calls that it has not ended itself by now it cannot end.
      this.connection.end('failed', this.#context.lingerTime)
    }
  }

  #drain(): void {
    if (this.#state === 'draining') return
    this.#state = 'draining'
    this.#context.logger.info(
      { user: this.user, server: this.name, reason: this.#drainReason },
      'server drains',
    )
    this.#context.router.lostServer(this)
    this.#closeWhenIdle()
  }

  /** The last event of a call has been passed on. */
  #finished(call: Call): void {
    this.#calls.delete(call.number)
    if (!call.over) {
      call.client.finish(call)
      this.#context.router.ended(call, call.cancelled ? 'cancelled' : 'finished')
    }
    if (this.#state === 'draining') this.#closeWhenIdle()
    else this.#context.router.dispatch(this.user)
  }

  /** After bytes for this server: what it does not take holds the client back. */
  #slowDown(call: Call): void {
    if (this.connection.isFull) this.pressure.hold(call.client.connection)
  }

  #closeWhenIdle(): void {
    if (this.#calls.size === 0) this.connection.end('drained', this.#context.lingerTime)
  }

  /** S4. */
  #offence(what: string): void {
    this.#context.metrics.offence(what)
    this.#context.limitedLog.warn('server broke the protocol', what, {
      user: this.user,
      server: this.name,
      address: this.connection.address,
    })
    this.connection.destroy(what)
  }
}
