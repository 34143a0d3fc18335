import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentSettings } from '../../../common/agent-settings.ts'
import type { ErrorCode } from '../../../common/errors.ts'
import { workerCommand } from '../../../common/worker-command.ts'
import type { Phase } from '../../pipeline.ts'
import { knownCode, readStateLine } from '../agent-state.ts'
import { readLines } from './lines.ts'
import { killGroup, killMarked, MARKER, recordGroup } from './processes.ts'

/** The agent has this long to say why its worker ended, and the worker to end after its agent, in milliseconds. */
const PARTING = 1000
const STOPPED = 'told to stop'
/** After the drain time an agent that is told to stop has this long to end, in milliseconds. */
const STOP_GRACE = 1000

export interface ReplicaOptions {
  /** Unique below the state folder; settings lie here and the processes are marked with it. */
  folder: string
  /** Short path for the socket (sun_path holds 107 bytes) and temporary files; made and removed here. */
  runtime: string
  stateFolder: string
  settings: AgentSettings
  agentCommand: readonly string[]
  interpreter: string
  /** Variables of the worker: the user's, and what a program needs to find its way. */
  env: Readonly<Record<string, string>>
  onLine(line: string): void
  onChange(): void
}

export interface ReplicaState {
  phase: Phase
  message: string
  code: ErrorCode | undefined
}

/** The path of the socket in a replica's runtime folder. */
export function socketIn(runtime: string): string {
  return join(runtime, 'agent.sock')
}

/** One agent and its worker, each in a session of its own; over when both and all their children have ended. */
export class Replica {
  state: ReplicaState = { phase: 'starting', message: 'Your server is starting.', code: undefined }
  /** Resolves when no process is left. Never rejects. */
  readonly ended: Promise<void>
  readonly #options: ReplicaOptions
  #agent: ChildProcess | undefined
  #stopping = false

  constructor(options: ReplicaOptions) {
    this.#options = options
    this.ended = this.#run().catch((error: Error) => this.#become('failed', error.message, 'internal'))
  }

  /** Lets running calls go on for the drain time of the settings, then ends all processes. */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true
      if (this.state.phase !== 'failed' && this.state.phase !== 'stopped') this.#become('stopping', STOPPED)
      this.#agent?.kill('SIGTERM')
      const late = setTimeout(
        () => this.#agent?.pid && killGroup(this.#agent.pid),
        this.#options.settings.drainSeconds * 1000 + STOP_GRACE,
      )
      await this.ended
      clearTimeout(late)
    }
    await this.ended
  }

  async #run(): Promise<void> {
    const { folder, runtime, settings, agentCommand, interpreter, env } = this.#options
    const temporary = join(runtime, 'tmp')
    for (const path of [join(folder, 'work'), temporary]) await mkdir(path, { recursive: true, mode: 0o700 })
    const file = join(folder, 'agent.json')
    await writeFile(file, JSON.stringify(settings, null, 2), { mode: 0o600 })
    if (this.#stopping) return this.#become('stopped', STOPPED)

    // Neither inherits the proxy's environment: it may hold secrets of others.
    const marker = { [MARKER]: folder }
    const command = [...agentCommand, '--settings', file, '--exit-with-parent']
    const agent = this.#spawn('agent', command, { TMPDIR: runtime, ...marker })
    const worker = this.#spawn('worker', workerCommand(interpreter, settings.socket), {
      ...env,
      TMPDIR: temporary,
      ...marker,
    })
    this.#agent = agent.child
    readLines(agent.child.stdout!, (line) => this.#agentLine(line))

    const first = await Promise.race([agent.closed.then(() => agent), worker.exited.then(() => worker)])
    if (first === worker) await this.#afterWorker(await worker.exited, agent)
    const how = await agent.closed
    await endsWithin(PARTING, worker.exited)
    for (const { pid } of [worker.child, agent.child]) if (pid) killGroup(pid)
    await killMarked(folder)
    await worker.exited
    await rm(runtime, { recursive: true, force: true })
    this.#conclude(how)
  }

  /** The worker ended first: its agent knows why best, unless the worker never reached it. */
  async #afterWorker(how: string, agent: Started): Promise<void> {
    if (await endsWithin(PARTING, agent.closed)) return
    // Said by an agent that takes longer than this to part from its brokers.
    const isSaid = this.state.phase === 'failed' || this.state.phase === 'stopping'
    if (!this.#stopping && !isSaid) {
      const missing = /ENOENT|EACCES/.test(how)
      this.#become('failed', `The worker ${how}.`, missing ? 'python_missing' : 'server_failed')
    }
    agent.child.kill('SIGTERM')
    if (!(await endsWithin(STOP_GRACE, agent.closed)) && agent.child.pid) killGroup(agent.child.pid)
  }

  #conclude(how: string): void {
    if (this.state.phase === 'failed') return
    const { phase, message } = this.state
    if (this.#stopping || how === 'ended') {
      this.#become('stopped', phase === 'stopping' ? message : 'ended')
    } else {
      this.#become('failed', `The agent ${how}.`, phase === 'ready' ? 'server_lost' : 'server_failed')
    }
  }

  #agentLine(line: string): void {
    this.#options.onLine(`agent: ${line}`)
    const state = readStateLine(line)
    if (!state || this.state.phase === 'failed') return
    // Once told to stop only a failure is news.
    if (this.#stopping && state.state !== 'failed') return
    this.#become(state.state, state.message, knownCode(state.code))
  }

  #become(phase: Phase, message: string, code?: ErrorCode): void {
    this.state = { phase, message, code: phase === 'failed' ? (code ?? 'server_failed') : undefined }
    this.#options.onChange()
  }

  #spawn(who: 'agent' | 'worker', [program, ...args]: string[], env: Record<string, string>): Started {
    const { folder, stateFolder, onLine } = this.#options
    const child = spawn(program!, args, {
      cwd: join(folder, 'work'),
      env,
      // The end of the agent's stdin tells it that this process is gone.
      stdio: [who === 'agent' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    })
    // The agent's stdout is read by #agentLine.
    if (who === 'worker') readLines(child.stdout!, (line) => onLine(`worker: ${line}`))
    readLines(child.stderr!, (line) => onLine(`${who}: ${line}`))
    child.stdin?.on('error', () => undefined)
    // Without the record, all that is lost is the cleaning up after a kill -9 where there is no /proc.
    if (child.pid) recordGroup(stateFolder, child.pid).catch((error) => onLine(`${who}: ${error.message}`))
    const exited = Promise.withResolvers<string>()
    const closed = Promise.withResolvers<string>()
    const how = (code: number | null, signal: NodeJS.Signals | null) =>
      signal ? `was ended by ${signal}` : code === 0 ? 'ended' : `ended with exit code ${code}`
    child.on('error', (error) => {
      exited.resolve(`could not be started: ${error.message}`)
      closed.resolve(`could not be started: ${error.message}`)
    })
    child.on('exit', (code, signal) => exited.resolve(how(code, signal)))
    child.on('close', (code, signal) => closed.resolve(how(code, signal)))
    return { child, exited: exited.promise, closed: closed.promise }
  }
}

interface Started {
  child: ChildProcess
  /** How the process ended; a child of its own may still hold its output. */
  exited: Promise<string>
  /** The same, when also all its output has been read. */
  closed: Promise<string>
}

function endsWithin(milliseconds: number, end: Promise<unknown>): Promise<boolean> {
  return Promise.race([end.then(() => true), sleep(milliseconds, false, { ref: false })])
}
