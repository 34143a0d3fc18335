import type { Socket } from 'node:net'
import { join } from 'node:path'
import { MAX_PART } from '../common/protocol.ts'
import type { Call, Runner } from './call.ts'
import { type Exit, exitFailure, failureEvent } from './failure.ts'
import { FromChild, MessageReader } from './message.ts'
import { Output } from './output.ts'

/** A forked process of the worker: waits for one call, runs it, ends. */
export class Child implements Runner {
  readonly pid: number
  readonly #socket: Socket
  readonly #outputs: Output[] = []
  #exit: Exit | undefined
  #closed = false
  call: Call | undefined

  constructor(pid: number, socket: Socket, folder: string) {
    this.pid = pid
    this.#socket = socket
    for (const [channel, name] of [
      ['stdout', 'out'],
      ['stderr', 'err'],
    ] as const) {
      this.#outputs.push(
        new Output(join(folder, `${pid}-${name}`), (text) => this.call?.output(channel, text)),
      )
    }
    socket.on('close', () => {
      this.#closed = true
      this.#afterEnd()
    })
  }

  /** Reads the messages that follow HELLO. */
  readonly reader = new MessageReader(MAX_PART, (type, part, offset, size) => {
    const { call } = this
    if (!call || call.ended) return
    switch (type) {
      case FromChild.PENDING:
        this.#outputs.forEach((output, index) => {
          output.drain(part.readUInt32BE(index * 4))
        })
        break
      case FromChild.ITEM:
        call.item(part, offset, size)
        break
      case FromChild.DONE:
        call.done()
        break
      case FromChild.ERROR: {
        this.#endOutputs()
        call.failWith(failureEvent(JSON.parse(part.toString())))
      }
    }
  })

  /** The parent has seen the process end. */
  exited(exit: Exit): void {
    this.#exit = exit
    this.#afterEnd()
  }

  /** Everything that the process had sent has been read and its exit is known: a call that has not ended failed. */
  #afterEnd(): void {
    if (!this.#exit || !this.#closed || !this.call || this.call.ended) return
    for (const output of this.#outputs) output.drain()
    this.#endOutputs()
    this.call.fail(...exitFailure(this.#exit))
  }

  #endOutputs(): void {
    for (const output of this.#outputs) output.end()
  }

  run(call: Call): void {
    this.call = call
    call.run(this)
  }

  write(chunks: Buffer[]): void {
    this.#socket.write(Buffer.concat(chunks))
  }

  pause(): void {
    this.#socket.pause()
    for (const output of this.#outputs) output.pause()
  }

  resume(): void {
    for (const output of this.#outputs) output.resume()
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
    for (const output of this.#outputs) output.close()
  }
}
