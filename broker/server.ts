import { Value } from 'typebox/value'
import { type ErrorCode, RexecError, sentence } from '../common/errors.ts'
import type { Logger } from '../common/logger.ts'
import {
  MAX_PART,
  PROTOCOL_VERSION,
  ServerInfo,
  ServerState,
  Verb,
  type Welcome,
} from '../common/protocol.ts'
import type { Verifier } from '../common/tokens.ts'
import { type Call, callNumber } from './call.ts'
import type { LimitedLog } from './limited-log.ts'
import type { BrokerMetrics } from './metrics.ts'
import { Pressure } from './pressure.ts'
import { knownCode, type Router } from './router.ts'
import type { Connection, Session } from './zmtp/connection.ts'

/** What all server sessions share. Times in milliseconds. */
export interface ServerContext {
  router: Router
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
  /** Sessions that get ticks. */
  sessions: Set<ServerSession>
}

type State = 'connected' | 'starting' | 'ready' | 'draining' | 'closed'

/** `left` of an announced event before its FRAME. */
const NOT_BEGUN = -1

const CALL = Buffer.from(Verb.CALL)
const CANCEL = Buffer.from(Verb.CANCEL)
const FRAME = Buffer.from(Verb.FRAME)
const PART = Buffer.from(Verb.PART)
const HEARTBEAT = Buffer.from(Verb.HEARTBEAT)

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
  /** The frames of a long message before the one that comes in pieces. */
  #head: Buffer[] | undefined
  /** Whose payload or chunk is being read. */
  #body: Call | undefined
  #state: State = 'connected'
  #concurrency = 0
  #drainReason = ''
  /** When the credential ends (Date.now, ms). */
  #expiresAt = 0
  readonly #openedAt = performance.now()
  #heardAt = this.#openedAt
  #heard = false
  #beatAt = this.#openedAt

  constructor(connection: Connection, context: ServerContext) {
    this.connection = connection
    this.#context = context
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
      case Verb.PART: {
        if (verb === Verb.EVENT && frames.length === 3) return this.#announce(frames)
        const body = frames.pop()!
        const wrong = this.#open(verb, frames, body.length)
        if (wrong !== undefined) return this.#offence(wrong)
        this.frameData(body)
        return this.streamEnd()
      }
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

  // A message of more than the cut-through threshold: only the last frame of these verbs can be so long.

  streamBegin(frames: Buffer[]): void {
    this.#heard = true
    this.#head = frames
  }

  frameBegin(size: number): void {
    const frames = this.#head ?? []
    this.#head = undefined
    const verb = frames[0]?.toString('latin1') ?? ''
    const isLong = verb === Verb.EVENT || verb === Verb.FRAME || verb === Verb.PART
    if (!isLong || this.#state === 'connected') return this.#offence('message too long')
    const wrong = this.#open(verb, frames, size)
    if (wrong !== undefined) this.#offence(wrong)
  }

  frameData(chunk: Buffer): void {
    const call = this.#body
    this.#context.metrics.bytesFromServers += chunk.length
    if (call === undefined || call.over) return
    call.client.lane.data(call, chunk)
    this.#relayed(call)
  }

  streamEnd(): void {
    const call = this.#body
    if (call === undefined) return
    this.#body = undefined
    const { incoming } = call
    if (incoming === undefined || incoming.left > 0) return
    call.incoming = undefined
    if (!call.over) call.client.lane.end(call)
    if (incoming.final) this.#finish(call)
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
    const { router, logger, sessions } = this.#context
    const wasWelcome = this.isWelcome
    this.#state = 'closed'
    sessions.delete(this)
    this.pressure.release()
    if (!wasWelcome) return
    logger.info({ user: this.user, server: this.name, reason, calls: this.#calls.size }, 'server lost')
    const detail = this.#drainReason ? `The server said: ${this.#drainReason}` : undefined
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    router.removeServer(this)
    for (const call of calls) router.fail(call, 'server_lost', detail)
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
    if (now - this.#heardAt > timeout) return this.connection.destroy('silent')
    if (now - this.#beatAt >= heartbeatTime) {
      this.#beatAt = now
      this.connection.frame(HEARTBEAT, false)
    }
    if (this.#state !== 'draining' && Date.now() >= this.#expiresAt) {
      this.#drainReason = 'its credential has expired'
      this.#drain()
    }
  }

  // --- inner

  #hello(frames: Buffer[]): void {
    const [, version, credential, info] = frames.map((frame) => frame.toString())
    if (frames.length !== 4) return this.#offence('READY has four frames')
    if (version !== PROTOCOL_VERSION)
      return this.#refuse(
        'credential_refused',
        `This broker speaks version ${PROTOCOL_VERSION} of the protocol.`,
      )
    const said = parse(ServerInfo, info!)
    if (said === undefined) return this.#offence('READY is malformed')
    this.connection.hold()
    this.#context
      .verify('server', credential!)
      .then(
        (claims) => {
          if (this.#state === 'closed') return
          this.user = claims.user
          this.name = claims.server!
          this.#expiresAt = claims.expiresAt * 1000
          this.#welcome(said)
        },
        (error) => this.#refuse('credential_refused', error instanceof RexecError ? error.detail : undefined),
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
    const state = parse(ServerState, frames[1]?.toString() ?? '')
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
      router.lostServer(this, { code: knownCode(code, 'install_failed'), message })
      this.#closeWhenIdle()
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

  /** EVENT without payload: a streamed event, whose FRAME follows. */
  #announce(frames: Buffer[]): void {
    const kind = frames[2]!.toString('latin1')
    if (kind !== 'final' && kind !== 'more') return this.#offence('EVENT of an unknown kind')
    const call = this.#find(frames)
    if (call === undefined) return
    if (call.incoming !== undefined) return this.#offence('EVENT within a streamed EVENT')
    call.incoming = { final: kind === 'final', left: NOT_BEGUN }
  }

  /**
   * Takes the frames before a payload or chunk of `size` bytes, which comes by frameData.
   * @returns what is wrong with them
   */
  #open(verb: string, frames: Buffer[], size: number): string | undefined {
    if (frames.length !== (verb === Verb.PART ? 2 : 3)) return 'wrong number of frames'
    if (size > MAX_PART) return 'payload or chunk too long'
    const call = this.#find(frames)
    this.#body = call
    if (verb === Verb.EVENT) return this.#openEvent(call, frames[2]!.toString('latin1'), size)
    if (call === undefined) return
    const { incoming } = call
    if (verb === Verb.PART) {
      if (incoming === undefined || incoming.left < size) return 'PART out of place'
      incoming.left -= size
      return
    }
    const total = callNumber(frames[2]!)
    if (incoming?.left !== NOT_BEGUN || total < size) return 'FRAME out of place'
    incoming.left = total - size
    if (total > this.#context.maxEventBytes) this.#context.router.fail(call, 'result_too_large')
    if (!call.over) call.client.lane.begin(call, total)
    return
  }

  #openEvent(call: Call | undefined, kind: string, size: number): string | undefined {
    if (kind !== 'final' && kind !== 'more') return 'EVENT of an unknown kind'
    if (call === undefined) return
    if (call.incoming !== undefined) return 'EVENT within a streamed EVENT'
    call.incoming = { final: kind === 'final', left: 0 }
    if (!call.over) call.client.lane.begin(call, size)
    return
  }

  /** The call that a message is about. One that was never this connection's is counted and dropped (S3). */
  #find(frames: Buffer[]): Call | undefined {
    const call = this.#calls.get(callNumber(frames[1]!))
    if (call === undefined) this.#context.metrics.dropped++
    return call
  }

  #finish(call: Call): void {
    this.#calls.delete(call.number)
    if (!call.over) {
      call.client.finish(call)
      this.#context.router.ended(call, call.cancelled ? 'cancelled' : 'finished')
    }
    if (this.#state === 'draining') this.#closeWhenIdle()
    else this.#context.router.dispatch(this.user)
  }

  /** After bytes for a client: one that does not take them holds this server back (P6, C8). */
  #relayed(call: Call): void {
    const { connection, lane, pressure } = call.client
    if (connection.isFull) pressure.hold(this.connection)
    else if (lane.isCrowded)
      this.#context.router.fail(
        call,
        'broker_overloaded',
        'Too much waits behind a long result on the same connection.',
      )
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
    this.#context.limitedLog.warn('server broke the protocol', what, {
      user: this.user,
      server: this.name,
      address: this.connection.address,
    })
    this.connection.destroy(what)
  }
}

/** JSON of a server; undefined when it does not have the form. */
function parse<T extends typeof ServerInfo | typeof ServerState>(schema: T, text: string) {
  try {
    const value: unknown = JSON.parse(text)
    return Value.Check(schema, value) ? value : undefined
  } catch {
    return undefined
  }
}
