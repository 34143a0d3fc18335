import { connect, type Socket } from 'node:net'

/** How a test peer introduces itself; the defaults are what libzmq's DEALER does. */
export interface Introduction {
  version?: [major: number, minor: number]
  mechanism?: string
  type?: string
  identity?: string
  metadata?: Record<string, string>
}

/** The 64 bytes of a greeting. */
export function greeting({ version = [3, 1], mechanism = 'NULL' }: Introduction = {}): Buffer {
  const bytes = Buffer.alloc(64)
  bytes[0] = 0xff
  bytes[9] = 0x7f
  bytes[10] = version[0]
  bytes[11] = version[1]
  bytes.write(mechanism, 12, 'latin1')
  return bytes
}

/** One frame; `flags` 1 = more, 4 = command. Long form above 255 bytes or when asked for. */
export function frame(body: Buffer | string, flags = 0, long = false): Buffer {
  const bytes = Buffer.from(body)
  return Buffer.concat([frameHeader(bytes.length, flags, long), bytes])
}

export function frameHeader(size: number, flags = 0, long = false): Buffer {
  if (size < 256 && !long) return Buffer.from([flags, size])
  const header = Buffer.alloc(9, flags | 2)
  header.writeBigUInt64BE(BigInt(size), 1)
  return header
}

export function message(frames: (Buffer | string)[]): Buffer {
  return Buffer.concat(frames.map((body, i) => frame(body, i < frames.length - 1 ? 1 : 0)))
}

export function command(name: string, data: Buffer = Buffer.alloc(0)): Buffer {
  return frame(Buffer.concat([Buffer.from([name.length]), Buffer.from(name), data]), 4)
}

export function ready({ type = 'DEALER', identity = '', metadata = {} }: Introduction = {}): Buffer {
  const properties = Object.entries({ 'Socket-Type': type, Identity: identity, ...metadata })
  return command(
    'READY',
    Buffer.concat(
      properties.flatMap(([name, value]) => {
        const size = Buffer.alloc(4)
        size.writeUInt32BE(value.length)
        return [Buffer.from([name.length]), Buffer.from(name), size, Buffer.from(value, 'latin1')]
      }),
    ),
  )
}

/** A ZMTP peer that does what a test says, also what no library would do. Its parser is its own. */
export class ZmtpPeer {
  readonly socket: Socket
  readonly #messages: Buffer[][] = []
  readonly #commands: { name: string; data: Buffer }[] = []
  /** Bytes received in all. */
  received = 0
  isClosed = false
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>
  #bytes = Buffer.alloc(0)
  /** Chunks of a frame that needs more bytes than have come. */
  #chunks: Buffer[] = []
  #have = 0
  #need = 0
  #greeted = false
  #frames: Buffer[] = []
  #wake: (() => void)[] = []

  constructor(address: string) {
    const { hostname, port } = new URL(address)
    this.socket = connect({ host: hostname, port: Number(port) })
    this.socket.on('data', (chunk) => this.#read(chunk)).on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        this.isClosed = true
        this.#wakeAll()
        resolve()
      })
    })
  }

  /** A peer that is past the handshake. */
  static async connect(address: string, introduction: Introduction = {}): Promise<ZmtpPeer> {
    const peer = new ZmtpPeer(address)
    peer.raw(greeting(introduction), ready(introduction))
    const { name } = await peer.command()
    if (name !== 'READY') throw new Error(`handshake ended with ${name}`)
    return peer
  }

  raw(...bytes: Buffer[]): void {
    this.socket.write(Buffer.concat(bytes))
  }

  send(...frames: (Buffer | string)[]): void {
    this.raw(message(frames))
  }

  /** The next message; rejects when the connection ends before. */
  next(): Promise<Buffer[]> {
    return this.#take(this.#messages)
  }

  /** The next message as text. */
  async texts(): Promise<string[]> {
    return (await this.next()).map((bytes) => bytes.toString('latin1'))
  }

  command(): Promise<{ name: string; data: Buffer }> {
    return this.#take(this.#commands)
  }

  /** Resolves when at least so many bytes have come. */
  async bytes(count: number): Promise<void> {
    while (this.received < count && !this.isClosed) await this.#change()
  }

  close(): void {
    this.socket.destroy()
  }

  async #take<T>(queue: T[]): Promise<T> {
    for (;;) {
      const first = queue.shift()
      if (first !== undefined) return first
      if (this.isClosed) throw new Error('the connection was closed')
      await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  #wakeAll(): void {
    const wake = this.#wake
    this.#wake = []
    for (const resolve of wake) resolve()
  }

  #read(chunk: Buffer): void {
    this.received += chunk.length
    this.#chunks.push(chunk)
    this.#have += chunk.length
    if (this.#have < this.#need) return this.#wakeAll()
    this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks])
    this.#chunks = []
    this.#have = 0
    this.#need = 0
    if (!this.#greeted && this.#bytes.length >= 64) {
      this.#greeted = true
      this.#bytes = this.#bytes.subarray(64)
    }
    while (this.#greeted && this.#readFrame()) {}
    this.#wakeAll()
  }

  #readFrame(): boolean {
    const bytes = this.#bytes
    const flags = bytes[0]
    if (flags === undefined) return false
    const header = flags & 2 ? 9 : 2
    if (bytes.length < header) return false
    const size = flags & 2 ? Number(bytes.readBigUInt64BE(1)) : bytes[1]!
    if (bytes.length < header + size) {
      this.#need = header + size - bytes.length
      return false
    }
    const body = bytes.subarray(header, header + size)
    this.#bytes = bytes.subarray(header + size)
    if (flags & 4) {
      this.#commands.push({
        name: body.toString('latin1', 1, 1 + body[0]!),
        data: body.subarray(1 + body[0]!),
      })
    } else {
      this.#frames.push(body)
      if (!(flags & 1)) {
        this.#messages.push(this.#frames)
        this.#frames = []
      }
    }
    return true
  }
}
