import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Logger } from '../common/logger.ts'
import { MAX_PART } from '../common/protocol.ts'
import type { Call, Runner } from './call.ts'
import { type Exit, exitFailure, failureEvent } from './failure.ts'
import { FromChild, MessageReader } from './message.ts'
import { Output } from './output.ts'

/** Bytes that may wait for a process to take them. */
const WRITE_HIGH_WATER = 4 * 1024 * 1024
/** Chunks that together are smaller are written at once. */
const SMALL = 64 * 1024
/** After a process' exit its connection ends too, unless another process holds it; then that is waited for (ms). */
const LINGER = 1000
/** A process that has closed its connection can end no call; its exit, which says more, is waited for so long (ms). */
const EXIT_WAIT = 10_000

/** Characters of what a process without a call writes that are logged, once. */
const STRAY_TEXT = 1000

export interface ChildOptions {
  /** Holds the FIFOs that it has made for stdout and stderr. */
  folder: string
  /** A larger item ends its call; worker.py refuses it before, but a function can write by itself. */
  maxResultBytes: number
  logger: Logger
}

/** A forked process of the worker: waits for one call, runs it, ends. */
export class Child implements Runner {
  readonly pid: number
  readonly #socket: Socket
  readonly #outputs: Output[] = []
  readonly #maxResultBytes: number
  #call: Call | undefined
  #exit: Exit | undefined
  #linger: NodeJS.Timeout | undefined
  finished = false

  /** It has closed its connection. */
  get gone(): boolean {
    return this.#socket.destroyed
  }

  /** @throws when its FIFOs are not what they should be */
  constructor(pid: number, socket: Socket, { folder, maxResultBytes, logger }: ChildOptions) {
    this.pid = pid
    this.#socket = socket
    this.#maxResultBytes = maxResultBytes
    let stray = false
    try {
      for (const channel of ['stdout', 'stderr'] as const) {
        const onText = (text: string) => {
          if (this.#call) this.#call.output(channel, text)
          else if (!stray) logger.warn({ pid, text: text.slice(0, STRAY_TEXT) }, 'a waiting process wrote')
          stray ||= !this.#call
        }
        this.#outputs.push(new Output(join(folder, `${pid}-${channel.slice(3)}`), onText))
      }
    } catch (error) {
      this.close()
      throw error
    }
    socket.on('close', () => this.#conclude())
  }

  /** Reads the messages that follow HELLO. */
  readonly reader = new MessageReader(MAX_PART, (type, part, offset, size) => {
    const call = this.#call
    if (!call || call.ended) return
    switch (type) {
      case FromChild.ITEM:
        if (size <= this.#maxResultBytes) call.item(part, offset, size)
        else call.fail('result_too_large', `A result of more than ${this.#maxResultBytes} bytes.`)
        break
      case FromChild.DONE:
        this.finished = true
        this.#endOutputs()
        call.done()
        break
      case FromChild.PENDING:
        this.#outputs.forEach((output, index) => {
          if (!call.isFull) output.drain(part.readUInt32BE(index * 4))
        })
        break
      case FromChild.ERROR:
        this.finished = true
        this.#endOutputs()
        call.failWith(failureEvent(JSON.parse(part.toString())))
    }
  })

  run(call: Call): void {
    this.#call = call
    call.run(this)
  }

  write(chunks: Buffer[]): Promise<void> | undefined {
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    if (size <= SMALL) this.#socket.write(Buffer.concat(chunks, size))
    else for (const chunk of chunks) this.#socket.write(chunk)
    if (this.#socket.writableLength < WRITE_HIGH_WATER) return undefined
    return new Promise((resolve) => {
      this.#socket.once('drain', resolve).once('close', resolve)
    })
  }

  pause(): void {
    this.#socket.pause()
    for (const output of this.#outputs) output.pause()
  }

  resume(): void {
    for (const output of this.#outputs) output.resume()
    this.#socket.resume()
  }

  /** The parent has seen the process end. */
  exited(exit: Exit): void {
    this.#exit = exit
    if (this.#socket.closed) this.#conclude()
    else this.#linger = setTimeout(() => this.#socket.destroy(), LINGER)
  }

  /** When all that the process has sent has been read and its exit is known, a call that has not ended has failed. */
  #conclude(): void {
    clearTimeout(this.#linger)
    if (!this.#exit) {
      const lost = () => this.#call?.fail('worker_died', 'The process has closed its connection.')
      this.#linger = setTimeout(lost, EXIT_WAIT)
      return
    }
    if (this.#call && !this.#call.ended) {
      for (const output of this.#outputs) output.drain()
      this.#endOutputs()
      this.#call.fail(...exitFailure(this.#exit))
    }
    this.close()
  }

  #endOutputs(): void {
    for (const output of this.#outputs) output.end()
  }

  close(): void {
    clearTimeout(this.#linger)
    this.#socket.destroy()
    for (const output of this.#outputs) output.close()
  }
}
