import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { AgentSettings } from '../common/agent-settings.ts'
import type { Exit, Failure } from './failure.ts'
import { FromParent, MessageReader, message, ToParent } from './message.ts'

/** A longer message of the worker is not one. */
const MAX_MESSAGE = 1024 * 1024

interface ParentEvents {
  progress: [line: string]
  failed: [failure: Failure]
  /** This process becomes the environment's Python; another connection follows. */
  replaced: []
  /** It forks children when ordered. */
  serving: [dill: string]
  exited: [exit: Exit]
  /** The worker was told to stop. */
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
    if (size > MAX_MESSAGE) return this.close()
    this.#receive(type, body.toString())
  })

  #receive(type: string, body: string): void {
    switch (type) {
      case FromParent.HELLO:
        this.#send(ToParent.SETUP, JSON.stringify(setup(this.#settings)))
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
        this.emit('serving', JSON.parse(body).dill)
        break
      case FromParent.EXITED:
        this.emit('exited', JSON.parse(body))
        break
      case FromParent.TERMINATING:
        this.emit('terminating')
    }
  }

  fork(count: number): void {
    this.#send(ToParent.FORK, String(count))
  }

  kill(pid: number): void {
    this.#send(ToParent.KILL, String(pid))
  }

  /** The worker ends, with all its processes, when its connection does. */
  close(): void {
    this.#socket.destroy()
  }

  #send(type: string, body: string): void {
    this.#socket.write(message(type, body))
  }
}

/** What the worker needs to know: nothing of brokers or credentials. */
function setup(settings: AgentSettings) {
  const { environmentsFolder, environmentDigest, python, requirements, dill, indexUrl, systemSitePackages } =
    settings
  const { maxResultBytes } = settings
  return {
    environmentsFolder,
    environmentDigest,
    python,
    requirements,
    dill,
    indexUrl,
    systemSitePackages,
    maxResultBytes,
  }
}
