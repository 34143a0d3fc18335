import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { AgentSettings } from '../common/agent-settings.ts'
import type { Exit, Failure } from './failure.ts'
import { FromParent, MessageReader, message, ToParent } from './message.ts'

/** The worker has no longer message to send. */
const MAX_MESSAGE = 1024 * 1024
/** Characters of its texts that go on: of a progress line, and of a reason. */
const MAX_LINE = 1000
const MAX_REASON = 16 * 1024
/** A worker that has left so many bytes of orders unread does not follow any. */
const MAX_UNREAD = 1024 * 1024
/** Messages that each come once at most. */
const ONCE = new Set<string>([FromParent.HELLO, FromParent.SERVING])

/** What the worker needs to know: nothing of brokers or credentials. */
const SETUP = [
  'environmentsFolder',
  'environmentDigest',
  'python',
  'requirements',
  'dill',
  'indexUrl',
  'trustedHosts',
  'systemSitePackages',
  'installSeconds',
  'maxResultBytes',
  'memoryBytes',
  'fileBytes',
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
  readonly #had = new Set<string>()
  #ended = false

  constructor(socket: Socket, settings: AgentSettings) {
    super()
    this.#socket = socket
    this.#settings = settings
    socket.on('close', () => {
      if (!this.#ended) this.emit('gone')
    })
  }

  readonly reader = new MessageReader(MAX_MESSAGE, (type, body, _offset, size) => {
    if (this.#ended) return
    if (size > MAX_MESSAGE) throw new RangeError('a message of the worker is too long')
    this.#take(type, body.toString())
  })

  #take(type: string, body: string): void {
    if (ONCE.has(type) && this.#had.has(type)) throw new TypeError(`a second message of type ${type}`)
    this.#had.add(type)
    switch (type) {
      case FromParent.HELLO:
        this.#send(
          ToParent.SETUP,
          JSON.stringify(Object.fromEntries(SETUP.map((name) => [name, this.#settings[name]]))),
        )
        break
      case FromParent.PROGRESS:
        this.emit('progress', body.slice(0, MAX_LINE))
        break
      case FromParent.FAILED: {
        const { code, detail } = JSON.parse(body)
        this.emit('failed', { code, detail: String(detail).slice(0, MAX_REASON) })
        break
      }
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
        throw new TypeError(`a message of type ${type}`)
    }
  }

  fork(count: number): void {
    this.#send(ToParent.FORK, String(count))
  }

  /** Kills a child and its process group. */
  kill(pid: number): void {
    this.#send(ToParent.KILL, String(pid))
  }

  /** Ends the worker, which kills everything below it, with this exit code. Nothing is heard of it any more. */
  end(exitCode: number): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket.end(message(ToParent.END, String(exitCode)))
  }

  #send(type: string, body: string): void {
    if (this.#ended || this.#socket.destroyed) return
    this.#socket.write(message(type, body))
    if (this.#socket.writableLength > MAX_UNREAD) this.#socket.destroy()
  }
}
