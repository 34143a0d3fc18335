import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { AgentSettings, AgentStateLine } from '../../common/agent-settings.ts'
import { workerCommand } from '../../common/worker-command.ts'

const BIN = new URL('agent.ts', import.meta.url).pathname

/** Environments that tests share, so that dill is installed once per Python version. */
export const sharedEnvironments = join(
  process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
  'rexec',
  'test-servers',
)

export function digestOf(...words: string[]): string {
  return createHash('sha256').update(words.join(' ')).digest('hex')
}

export interface TestServerOptions {
  brokers: string[]
  credential?: string
  /** Interpreter of the worker, and its version. */
  interpreter?: string
  settings?: Partial<AgentSettings>
  env?: Record<string, string>
  agentArgs?: string[]
  /** Started later, by startWorker(). */
  withoutWorker?: boolean
  /** Put before the worker's command, such as that of a container. */
  workerPrefix?: string[]
}

type Ended = Promise<[exitCode: number | null, signal: NodeJS.Signals | null]>

/** A real agent process and a real worker process, as a cluster starts them. */
export class TestServer {
  readonly folder: string
  readonly settings: AgentSettings
  agent!: ChildProcess
  worker: ChildProcess | undefined
  /** Resolves when the agent has ended and all that it said has been read. */
  agentEnded!: Ended
  workerEnded!: Ended
  readonly states: AgentStateLine[] = []
  /** The agent's log lines. */
  readonly log: string[] = []
  readonly #options: TestServerOptions

  private constructor(folder: string, settings: AgentSettings, options: TestServerOptions) {
    this.folder = folder
    this.settings = settings
    this.#options = options
    this.startAgent()
  }

  /** Also once more, after the first has ended. */
  startAgent(): void {
    this.agent = spawn(
      process.execPath,
      [BIN, '--settings', join(this.folder, 'agent.json'), ...(this.#options.agentArgs ?? [])],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    this.agentEnded = ended(this.agent)
    createInterface({ input: this.agent.stdout! }).on('line', (line) => {
      this.log.push(line)
      const entry = JSON.parse(line)
      if (entry.event === 'state') this.states.push(entry)
    })
  }

  static async start(options: TestServerOptions): Promise<TestServer> {
    const folder = await mkdtemp(join(tmpdir(), 'rexec-server-'))
    const python = options.settings?.python ?? '3.11'
    const settings = {
      name: 'default',
      brokers: options.brokers,
      credentialFile: join(folder, 'credential'),
      socket: join(folder, 'run', 'agent.sock'),
      environmentsFolder: sharedEnvironments,
      environmentDigest: digestOf('dill', python),
      python,
      requirements: [],
      ...options.settings,
    } as unknown as AgentSettings
    await writeFile(settings.credentialFile, options.credential ?? 'a credential')
    await writeFile(join(folder, 'agent.json'), JSON.stringify(settings))
    const server = new TestServer(folder, settings, options)
    if (!options.withoutWorker) server.startWorker()
    return server
  }

  startWorker(): void {
    const { interpreter = 'python3', workerPrefix = [] } = this.#options
    const [command, ...args] = [...workerPrefix, ...workerCommand(interpreter, this.settings.socket)]
    this.worker = spawn(command!, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...this.#options.env },
    })
    this.workerEnded = ended(this.worker)
  }

  /** Resolves with the next state line that fits, or a past one. */
  async said(fits: (line: AgentStateLine) => boolean): Promise<AgentStateLine> {
    const over = this.agentEnded
    for (let ended = false; ; ) {
      const found = this.states.find(fits)
      if (found) return found
      if (ended) throw new Error(`the agent never said so, but: ${JSON.stringify(this.states)}`)
      ended = await Promise.race([once(this.agent.stdout!, 'data').then(() => false), over.then(() => true)])
    }
  }

  async close(): Promise<void> {
    this.agent.kill('SIGKILL')
    this.worker?.kill('SIGKILL')
    await Promise.all([this.agentEnded, this.workerEnded])
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Noted from the start: a process may end while a test waits for something else. */
function ended(child: ChildProcess): Ended {
  return once(child, 'close') as Ended
}
