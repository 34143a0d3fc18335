import { type ErrorCode, errorTable } from '../common/errors.ts'
import { dataEvent, errorEvent } from '../common/events.ts'
import { bodyBytes, type Call } from './call.ts'
import { awakeTime } from './clock.ts'
import type { BrokerMetrics } from './metrics.ts'
import type { ServerSession } from './server.ts'
import type { BrokerSettings } from './settings.ts'
import { keep } from './zmtp/frame.ts'
import type { Budget } from './zmtp/writer.ts'

/** One user's servers and the calls that wait for them. */
export interface User {
  readonly name: string
  readonly servers: ServerSession[]
  /** In the order of arrival. */
  waiting: Call[]
  waitingBytes: number
}

/** Brings each call to a server of its user, or makes it wait (C3). Nothing here ever looks beyond one user. */
export class Router {
  readonly #settings: BrokerSettings
  readonly #budget: Budget
  readonly #metrics: BrokerMetrics
  readonly #users = new Map<string, User>()
  #waiting = 0
  #waitingBytes = 0
  /** New calls are refused. */
  stopping = false
  /** Calls that came so far, and messages whose token is being proven. */
  submitted = 0
  arriving = 0
  /** Called when a call waits while no server that could take it is connected. */
  whenServerless: (user: User) => void = () => {}

  constructor(settings: BrokerSettings, budget: Budget, metrics: BrokerMetrics) {
    this.#settings = settings
    this.#budget = budget
    this.#metrics = metrics
  }

  get waiting(): number {
    return this.#waiting
  }

  /** Takes a new call of a proven user: it is started, waits, or is refused. */
  submit(call: Call): void {
    this.submitted++
    if (this.stopping) return this.fail(call, 'broker_stopping')
    if (this.#budget.used > this.#settings.buffers.totalBytes) return this.fail(call, 'broker_overloaded')
    const user = this.#user(call.user)
    // Only a call that would overtake none of its user's may go on at once.
    const server = user.waiting.length === 0 ? pick(user, call) : undefined
    if (server !== undefined) {
      this.#metrics.dequeued(0)
      return server.start(call)
    }
    this.#enqueue(user, call)
  }

  /** Ends a call with an ERROR of the broker; a server that runs it is told to stop. */
  fail(call: Call, code: ErrorCode, detail?: string): void {
    if (call.over) return
    this.withdraw(call)
    call.server?.cancel(call, code)
    call.client.abort(call, errorEvent(code, detail))
    this.ended(call, code)
  }

  /** Counts a call whose client has its last event. */
  ended(call: Call, outcome: Parameters<BrokerMetrics['ended']>[0]): void {
    this.#metrics.ended(outcome, awakeTime() - call.since)
  }

  /** Takes a call out of the queue, if it is in it. */
  withdraw(call: Call): void {
    if (call.server !== undefined) return
    const user = this.#users.get(call.user)
    const at = user?.waiting.indexOf(call) ?? -1
    if (user === undefined || at < 0) return
    this.#dequeue(user, at)
    this.#forget(user)
  }

  addServer(server: ServerSession): void {
    this.#user(server.user).servers.push(server)
  }

  removeServer(server: ServerSession): void {
    const user = this.#users.get(server.user)
    const at = user?.servers.indexOf(server) ?? -1
    if (user === undefined || at < 0) return
    user.servers.splice(at, 1)
    this.#watch(user)
    this.#forget(user)
  }

  /** A server can take calls: it became ready, or a call of it ended. */
  dispatch(name: string): void {
    const user = this.#users.get(name)
    if (user === undefined || user.waiting.length === 0) return
    for (let at = 0; at < user.waiting.length && user.servers.some((server) => server.hasRoom); ) {
      const call = user.waiting[at]!
      const server = pick(user, call)
      if (server === undefined) {
        at++
        continue
      }
      this.#dequeue(user, at)
      this.#metrics.dequeued(awakeTime() - call.since)
      server.start(call)
    }
  }

  /** A server says how its start goes: the calls that wait for it are shown the line once (C4). */
  progress(server: ServerSession): void {
    const user = this.#users.get(server.user)
    for (const call of user?.waiting ?? []) if (matches(server, call)) show(call, server.progress)
  }

  /** A server does not take calls any more; `failure` says that it never will. */
  lostServer(server: ServerSession, failure?: { code: ErrorCode; message: string }): void {
    const user = this.#users.get(server.user)
    if (user === undefined) return
    if (failure) {
      for (const call of [...user.waiting])
        if (matches(server, call) && !hasCandidate(user, call)) this.fail(call, failure.code, failure.message)
    }
    this.#watch(user)
  }

  /** The waiting calls of a user for which no server is connected. */
  serverless(user: User): Call[] {
    return user.waiting.filter((call) => !hasCandidate(user, call))
  }

  /** Ends the calls that have waited too long. Called a few times a second. */
  tick(now: number): void {
    if (this.#waiting === 0) return
    const oldest = now - this.#settings.queue.timeoutSeconds * 1000
    for (const user of this.#users.values()) {
      while (user.waiting[0] !== undefined && user.waiting[0].since < oldest) {
        const call = user.waiting[0]
        const isBusy = user.servers.some((server) => server.isReady && matches(server, call))
        this.fail(call, isBusy ? 'queue_timeout' : 'server_start_timeout')
      }
    }
  }

  /** Ends all calls that wait. */
  failWaiting(code: ErrorCode): void {
    for (const user of this.#users.values()) for (const call of [...user.waiting]) this.fail(call, code)
  }

  #enqueue(user: User, call: Call): void {
    const { maxPerUser, maxBytesPerUser, max, maxBytes } = this.#settings.queue
    const bytes = bodyBytes(call)
    if (user.waiting.length >= maxPerUser || user.waitingBytes + bytes > maxBytesPerUser) {
      this.fail(call, 'queue_full')
      return this.#forget(user)
    }
    if (this.#waiting >= max || this.#waitingBytes + bytes > maxBytes) {
      this.fail(call, 'broker_overloaded')
      return this.#forget(user)
    }
    call.body = call.body.map(keep)
    user.waiting.push(call)
    this.#count(user, 1, bytes)
    this.dispatch(user.name)
    if (call.server !== undefined || call.over) return
    const starting = user.servers.find((server) => server.isStarting && matches(server, call))
    if (starting) show(call, starting.progress)
    this.#watch(user)
  }

  #dequeue(user: User, at: number): void {
    const [call] = user.waiting.splice(at, 1)
    this.#count(user, -1, -bodyBytes(call!))
  }

  #count(user: User, calls: number, bytes: number): void {
    user.waitingBytes += bytes
    this.#waiting += calls
    this.#waitingBytes += bytes
    this.#budget.used += bytes
  }

  #watch(user: User): void {
    if (user.waiting.some((call) => !hasCandidate(user, call))) this.whenServerless(user)
  }

  #user(name: string): User {
    let user = this.#users.get(name)
    if (user === undefined) {
      user = { name, servers: [], waiting: [], waitingBytes: 0 }
      this.#users.set(name, user)
    }
    return user
  }

  #forget(user: User): void {
    if (user.servers.length === 0 && user.waiting.length === 0) this.#users.delete(user.name)
  }
}

function matches(server: ServerSession, call: Call): boolean {
  return call.serverName === undefined || call.serverName === server.name
}

function hasCandidate(user: User, call: Call): boolean {
  return user.servers.some((server) => (server.isReady || server.isStarting) && matches(server, call))
}

/** The ready server with the fewest calls outstanding, below its concurrency. */
function pick(user: User, call: Call): ServerSession | undefined {
  let best: ServerSession | undefined
  for (const server of user.servers) {
    if (!server.hasRoom || !matches(server, call)) continue
    if (best === undefined || server.outstanding < best.outstanding) best = server
  }
  return best
}

/** Shows a waiting call's client a progress line, if it is a new one (C4). */
export function show(call: Call, message: string): void {
  if (message === '' || message === call.progress) return
  call.progress = message
  call.client.event(call, dataEvent('stderr', message.endsWith('\n') ? message : `${message}\n`))
}

/** A code of the table, or `other` for what is none. */
export function knownCode(code: string | undefined, other: ErrorCode): ErrorCode {
  return code !== undefined && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : other
}
