import { existsSync, readFileSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { dirname } from 'node:path'
import type { Lookup } from '../common/address.ts'
import type { AgentSettings, AgentStateLine } from '../common/agent-settings.ts'
import { type ErrorCode, sentence } from '../common/errors.ts'
import { type Logger, redact } from '../common/logger.ts'
import type { ServerState } from '../common/protocol.ts'
import { Brokers } from './brokers.ts'
import type { Call } from './call.ts'
import { Child } from './child.ts'
import { after } from './clock.ts'
import { knownCode, stillbornFailure } from './failure.ts'
import { Parent } from './parent.ts'
import { Pool } from './pool.ts'
import { ReadyPort } from './ready-port.ts'
import { leaveTerminationMessage } from './termination-message.ts'
import { listenForWorker } from './worker-socket.ts'

/** After a failure the brokers have this many milliseconds to take in why. */
const FAREWELL = 2000
/** Connections of the worker beyond two for each process that it should have: some are just ending. */
const SPARE_CONNECTIONS = 64

/** States that are a server's last. */
const ENDS = new Set<AgentStateLine['state']>(['failed', 'stopping'])

/** A server's agent: brokers on one side, the worker on the other, and the server's life from start to end. */
export class Agent {
  readonly #settings: AgentSettings
  readonly #logger: Logger
  readonly #lookup: Lookup | undefined
  readonly #pool: Pool
  readonly #readyPort: ReadyPort | undefined
  #state: ServerState = { state: 'installing', message: '' }
  #brokers: Brokers | undefined
  #server: Server | undefined
  #parent: Parent | undefined
  /** Some broker has taken this server. */
  #isReached = false
  #stopping = false
  /** By somebody else, not by itself. */
  #isTold = false
  /** Why the server cannot run calls any more. */
  #failure: [code: ErrorCode, detail: string | undefined] | undefined
  #over = false
  /** The agent's, and the worker's. */
  #exitCode = 0
  #stopWaiting = () => {}
  #stopIdle = () => {}
  #stopLife: () => void
  #finish!: (exitCode: number) => void
  /** Resolves with the exit code when all has ended. */
  readonly ended = new Promise<number>((resolve) => {
    this.#finish = resolve
  })

  /** Names of brokers are looked up as the system does it, unless said otherwise. */
  constructor(settings: AgentSettings, logger: Logger, lookup?: Lookup) {
    this.#settings = settings
    this.#logger = logger
    this.#lookup = lookup
    this.#pool = new Pool({
      prefork: settings.prefork,
      concurrency: settings.concurrency,
      fork: (count) => this.#parent?.fork(count),
      kill: (pid) => this.#parent?.kill(pid),
      onHopeless: (exit) => void this.#fail(...stillbornFailure(exit)),
    })
    const { readyPort, lifetimeSeconds } = settings
    if (readyPort !== undefined) this.#readyPort = new ReadyPort(readyPort, logger)
    this.#waitForWorker()
    this.#stopLife = after(lifetimeSeconds, () =>
      this.stop(`Its life time of ${lifetimeSeconds} seconds is over.`),
    )
  }

  /** Listens for the worker and connects to the brokers. */
  async start(): Promise<void> {
    const { socket: path, sidecar, prefork, concurrency, maxResultBytes } = this.#settings
    const restarted = sidecar && existsSync(path)
    this.#say({ state: 'starting', message: '' })
    this.#server = await listenForWorker({
      path,
      maxConnections: 2 * (prefork + concurrency) + SPARE_CONNECTIONS,
      onParent: (socket) => this.#welcomeParent(socket),
      onChild: (socket, pid) => {
        const child = new Child(pid, socket, { folder: dirname(path), maxResultBytes, logger: this.#logger })
        this.#pool.add(child)
        return child
      },
    })
    this.#server.once('drop', () => this.#logger.warn('the worker opens more connections than it may'))
    this.#brokers = new Brokers({
      addresses: this.#settings.brokers,
      discoverySeconds: this.#settings.discoverySeconds,
      ...(this.#lookup && { lookup: this.#lookup }),
      logger: this.#logger,
      credential: () => readFileSync(this.#settings.credentialFile, 'utf8').trim(),
      concurrency,
      current: () => this.#state,
      onWelcome: () => this.#reached(),
      onUnreached: (address, reason) => this.#unreached(address, reason),
      onCall: (call) => this.#run(call),
      onCallEnd: (call) => this.#callEnded(call),
      onRefused: (text) => void this.#fail('credential_refused', text),
    })
    // A sidecar that died is started again. Its worker has ended with it, and the pod does.
    if (restarted) void this.#fail('server_lost', 'Its agent ended unexpectedly and was started again.')
  }

  #waitForWorker(): void {
    const { workerSeconds } = this.#settings
    this.#stopWaiting = after(workerSeconds, () => {
      void this.#fail('server_failed', `Its worker did not start within ${workerSeconds} seconds.`)
    })
  }

  #welcomeParent(socket: Socket): Parent | undefined {
    if (this.#parent && !this.#over) return undefined // there is one worker; what else connects is not it
    this.#stopWaiting()
    const parent = new Parent(socket, this.#settings)
    if (this.#over) {
      parent.end(this.#exitCode) // a worker that comes when all is over ends as one that was there would have
      return parent
    }
    let replaced = false
    parent
      .on('progress', (line) => this.#progress(redact(line)))
      .on('failed', ({ code, detail }) => void this.#fail(knownCode(code), redact(detail)))
      .on('replaced', () => {
        replaced = true
      })
      .on('serving', () => this.#serve())
      .on('exited', (exit) => this.#pool.exited(exit))
      .on('terminating', () => this.terminate())
      .on('gone', () => {
        this.#parent = undefined
        if (replaced) this.#waitForWorker()
        else void this.#fail('worker_lost')
      })
    this.#parent = parent
    return parent
  }

  // --- calls

  #run(call: Call): void {
    // The broker sent it before it heard of the failure.
    if (this.#failure) return call.fail(...this.#failure)
    this.#stopIdle()
    this.#pool.submit(call)
  }

  #callEnded(call: Call): void {
    setImmediate(() => {
      // not before the final event has been sent
      this.#pool.end(call)
      if (this.#pool.calls.length === 0) this.#beIdle()
    })
  }

  #beIdle(): void {
    const { idleSeconds } = this.#settings
    this.#stopIdle()
    this.#stopIdle = after(idleSeconds, () => this.stop(`It had no call for ${idleSeconds} seconds.`))
  }

  // --- life

  #say(line: Omit<AgentStateLine, 'event'>): void {
    const { terminationMessageFile } = this.#settings
    try {
      if (terminationMessageFile !== undefined && ENDS.has(line.state))
        leaveTerminationMessage(terminationMessageFile, line)
    } catch (error) {
      this.#logger.warn(error, 'the termination message cannot be written')
    }
    this.#logger.info({ event: 'state', ...line })
  }

  #tell(state: ServerState): void {
    this.#state = state
    this.#brokers?.state(state)
  }

  #progress(message: string): void {
    if (this.#stopping) return
    this.#say({ state: 'installing', message })
    this.#tell({ state: 'installing', message })
  }

  #serve(): void {
    if (this.#stopping) return
    this.#pool.fill()
    this.#beIdle()
    this.#tell({ state: 'ready', message: '' })
    if (this.#isReached) this.#becomeReady()
  }

  /** Ready to everybody else is a server that calls can reach; a broker that goes away later comes back. */
  #becomeReady(): void {
    this.#say({ state: 'ready', message: '' })
    void this.#readyPort?.open()
  }

  #reached(): void {
    if (this.#isReached) return
    this.#isReached = true
    if (this.#state.state === 'ready' && !this.#stopping) this.#becomeReady()
  }

  #unreached(address: string, reason: string): void {
    if (this.#isReached || this.#stopping || this.#state.state !== 'ready') return
    const message = `All is installed, but no call can come in: no connection to the broker ${address} (${reason}).`
    this.#say({ state: 'installing', message })
  }

  /** Ends with exit code 1 after telling everybody why. */
  async #fail(code: ErrorCode, detail?: string): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    this.#failure = [code, detail]
    this.#exitCode = 1
    this.#readyPort?.close()
    const message = sentence(code, detail)
    this.#say({ state: 'failed', message, code })
    // How a worker ended in a pod, and whether memory had run out, the cluster says: the broker asks for it (C11).
    const isKnownBetter = this.#settings.sidecar && code === 'worker_lost'
    if (!isKnownBetter) for (const call of this.#pool.calls) call.fail(code, detail)
    this.#tell({ state: 'failed', message, code })
    await this.#within(FAREWELL, Promise.resolve(this.#brokers?.closedByBrokers()))
    this.end()
  }

  /**
   * Ends with exit code 0. Running calls may go on for drainSeconds. An order to stop what is ending already is obeyed
   * at once.
   */
  stop(reason: string): void {
    if (this.#stopping) return this.end()
    this.#stopping = true
    this.#readyPort?.close()
    this.#say({ state: 'stopping', message: reason })
    void this.#drain(reason)
  }

  /** The same on SIGTERM, which does not say why. */
  terminate(): void {
    this.#isTold = true
    this.stop('It was told to stop.')
  }

  async #drain(reason: string): Promise<void> {
    const drained = Promise.resolve(this.#brokers?.drain(reason))
    // Without a worker there is nothing to wait for but the brokers.
    await this.#within(this.#parent ? this.#settings.drainSeconds * 1000 : FAREWELL, drained)
    // Why a pod has to go (it is evicted, deleted, out of time) the cluster says: the broker asks for it (C11).
    if (this.#isTold && this.#settings.sidecar) return this.end()
    for (const call of this.#pool.calls) call.fail('server_stopping', reason)
    await this.#within(FAREWELL, drained)
    this.end()
  }

  /** Waits for a promise, but only so many milliseconds. */
  async #within(milliseconds: number, promise: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds)
    })
    await Promise.race([promise, timeout])
    clearTimeout(timer)
  }

  /**
   * Ends at once: connections, timers, the worker with all its processes. A sidecar goes on listening for a worker that
   * has not connected yet, to tell it so: it would wait, and nobody would know why.
   */
  end(): void {
    this.#stopping = this.#over = true
    this.#readyPort?.close()
    this.#stopWaiting()
    this.#stopIdle()
    this.#stopLife()
    this.#brokers?.close()
    this.#pool.close()
    this.#parent?.end(this.#exitCode)
    if (!this.#settings.sidecar) this.#server?.close()
    this.#finish(this.#exitCode)
  }
}
