import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { encodeCommand, encodeMetadata } from '../../broker/zmtp/command.ts'
import { encodeGreeting, GREETING_BYTES, maybeGreeting } from '../../broker/zmtp/greeting.ts'

const MORE = 1
const LONG = 2
const COMMAND = 4
/** A broker's answers to a doctor are short. */
const MAX_FRAME = 65_536

/** The little of a ZMTP client that a check needs: one greeting, one handshake, a few short messages. */
export class ZmtpClient {
  readonly #socket: Socket
  readonly #chunks: AsyncIterator<Buffer>
  #bytes: Buffer = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#chunks = socket[Symbol.asyncIterator]()
  }

  /** A connection, closed when the signal aborts. @throws for one that is refused, or when the signal aborts */
  static async connect(host: string, port: number, signal: AbortSignal): Promise<ZmtpClient> {
    const socket = connect({ host, port, signal })
    await once(socket, 'connect')
    return new ZmtpClient(socket)
  }

  /** Whether the other side greets as ZMTP 3 does. */
  async greet(): Promise<boolean> {
    this.#socket.write(encodeGreeting('NULL'))
    while (this.#bytes.length < GREETING_BYTES) {
      if (!(await this.#more()) || !maybeGreeting(this.#bytes)) return false
    }
    this.#take(GREETING_BYTES)
    return true
  }

  /** READY of both sides. @throws when the other side refuses */
  async handshake(): Promise<void> {
    this.#socket.write(encodeCommand('READY', encodeMetadata({ 'Socket-Type': 'DEALER', Identity: '' })))
    const { flags, body } = await this.#frame()
    if (!(flags & COMMAND) || body.toString('latin1', 1, 6) !== 'READY') throw new Error('READY was refused')
  }

  send(...frames: string[]): void {
    frames.forEach((frame, index) => {
      const body = Buffer.from(frame)
      const header = Buffer.alloc(9, LONG | (index < frames.length - 1 ? MORE : 0))
      header.writeBigUInt64BE(BigInt(body.length), 1)
      this.#socket.write(Buffer.concat([header, body]))
    })
  }

  /** The next message; commands are passed over. @throws when the connection ends before */
  async receive(): Promise<Buffer[]> {
    const message: Buffer[] = []
    for (;;) {
      const { flags, body } = await this.#frame()
      if (flags & COMMAND) continue
      message.push(body)
      if (!(flags & MORE)) return message
    }
  }

  close(): void {
    this.#socket.destroy()
  }

  async #frame(): Promise<{ flags: number; body: Buffer }> {
    await this.#need(2)
    const flags = this.#bytes[0]!
    const header = flags & LONG ? 9 : 2
    await this.#need(header)
    const size = flags & LONG ? Number(this.#bytes.readBigUInt64BE(1)) : this.#bytes[1]!
    if (size > MAX_FRAME) throw new Error('the answer is too long')
    await this.#need(header + size)
    return { flags, body: this.#take(header + size).subarray(header) }
  }

  async #need(count: number): Promise<void> {
    while (this.#bytes.length < count) {
      if (!(await this.#more())) throw new Error('the connection was closed')
    }
  }

  async #more(): Promise<boolean> {
    const { value, done } = await this.#chunks.next()
    if (done) return false
    this.#bytes = Buffer.concat([this.#bytes, value])
    return true
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(0, count)
    this.#bytes = this.#bytes.subarray(count)
    return taken
  }
}
