import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { AgentSettings } from '../common/agent-settings.ts'
import type { Exit, Failure } from './failure.ts'
import { FromParent, MessageReader, message, ToParent } from './message.ts'

/** The worker has no longer message to send. */
const MAX_MESSAGE = 1024 * 1024

/** What the worker needs to know: nothing of brokers or credentials. */
const SETUP = [
  'environmentsFolder',
  'environmentDigest',
  'python',
  'requirements',
  'dill',
  'indexUrl',
  'systemSitePackages',
  'installSeconds',
  'maxResultBytes',
  'memoryBytes',
] as const satisfies (keyof AgentSettings)[]

interface ParentEvents {
  /** A line of the installation. */
  progress: [line: string]
  failed: [failure: Failure]
  /** This process becomes the environment's Python; another connection follows. */
  replaced: []
  /** It forks children when ordered. */
  serving: []
  exited: [exit: Exit]
  /** The worker was told to stop (SIGTERM). */
  terminating: []
  /** The connection is gone, and with it the worker and all its processes. */
  gone: []
}

/** The worker's parent process: installs the environment, then forks and kills children as ordered. */
export class Parent extends EventEmitter<ParentEvents> {
  readonly #socket: Socket
  readonly #settings: AgentSettings

  constructor(socket: Socket, settings: AgentSettings) {
    super()
    this.#socket = socket
    this.#settings = settings
    socket.on('close', () => this.emit('gone'))
  }

  readonly reader = new MessageReader(MAX_MESSAGE, (type, body, _offset, size) => {
    if (size > MAX_MESSAGE) this.close()
    else this.#take(type, body.toString())
  })

  #take(type: string, body: string): void {
    switch (type) {
      case FromParent.HELLO:
        this.#send(
          ToParent.SETUP,
          JSON.stringify(Object.fromEntries(SETUP.map((name) => [name, this.#settings[name]]))),
        )
        break
      case FromParent.PROGRESS:
        this.emit('progress', body)
        break
      case FromParent.FAILED:
        this.emit('failed', JSON.parse(body))
        break
      case FromParent.REPLACED:
        this.emit('replaced')
        break
      case FromParent.SERVING:
        this.emit('serving')
        break
      case FromParent.EXITED:
        this.emit('exited', JSON.parse(body))
        break
      case FromParent.TERMINATING:
        this.emit('terminating')
        break
      default:
        this.close()
    }
  }

  fork(count: number): void {
    this.#send(ToParent.FORK, String(count))
  }

  /** Kills a child and its process group. */
  kill(pid: number): void {
    this.#send(ToParent.KILL, String(pid))
  }

  /** Ends the worker: it kills everything below it when its connection is gone. */
  close(): void {
    this.#socket.destroy()
  }

  #send(type: string, body: string): void {
    if (!this.#socket.destroyed) this.#socket.write(message(type, body))
  }
}
