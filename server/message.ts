/**
 * Messages between agent and worker (docs/protocol.md, section 4): 8 bytes of length (big-endian, of the body), one
 * byte of type, the body.
 */
export const HEADER_BYTES = 9

/** First byte of a connection: what it is. */
export const Role = { SOURCE: 0x57 /* W */, PARENT: 0x50 /* P */, CHILD: 0x43 /* C */ } as const

export const FromParent = {
  HELLO: 'H', // JSON ParentHello
  PROGRESS: 'P', // a line
  FAILED: 'F', // JSON Failure
  REPLACED: 'R', // nothing: this process becomes the environment's Python and comes again
  SERVING: 'S', // JSON {dill}
  EXITED: 'X', // JSON Exit
  TERMINATING: 'T', // nothing: the worker was told to stop (SIGTERM)
} as const

export const ToParent = {
  SETUP: 'S', // JSON, see parent.ts
  FORK: 'N', // how many, in decimal
  KILL: 'K', // pid in decimal
  END: 'E', // the exit code in decimal; the last message
} as const

export const FromChild = {
  HELLO: 'H', // JSON {pid}
  PENDING: 'O', // two 4-byte numbers: bytes that still lie in the FIFOs of stdout and stderr
  ITEM: 'D', // a pickled DATA event
  ERROR: 'E', // JSON Failure; the last message
  DONE: 'Z', // nothing; the last message
} as const

export const ToChild = { FUNCTION: 'F', ARGUMENTS: 'A' } as const

/** The head of a message whose body of `size` bytes follows. */
export function header(type: string, size: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER_BYTES)
  head.writeBigUInt64BE(BigInt(size), 0)
  head.write(type, 8, 'latin1')
  return head
}

export function message(type: string, body: Buffer | string = ''): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  return Buffer.concat([header(type, bytes.length), bytes])
}

/** A message's body, or a part of it: `offset` bytes came before, `size` are coming in all. */
export type Receive = (type: string, part: Buffer, offset: number, size: number) => void

/**
 * Cuts a stream into messages. A body of up to `partBytes` is handed on in one piece, a larger one in pieces of that
 * size; no more than one piece is held.
 */
export class MessageReader {
  readonly #partBytes: number
  readonly #receive: Receive
  #held: Buffer[] = []
  #heldBytes = 0
  #type: string | undefined
  #size = 0
  #offset = 0

  constructor(partBytes: number, receive: Receive) {
    this.#partBytes = partBytes
    this.#receive = receive
  }

  push(chunk: Buffer): void {
    let rest = chunk
    for (;;) {
      const wanted = this.#wanted() - this.#heldBytes
      if (rest.length < wanted) {
        if (rest.length > 0) this.#held.push(rest)
        this.#heldBytes += rest.length
        return
      }
      const piece = this.#take(rest.subarray(0, wanted))
      rest = rest.subarray(wanted)
      if (this.#type === undefined) this.#begin(piece)
      else this.#deliver(piece)
    }
  }

  /** How long the next piece is. */
  #wanted(): number {
    return this.#type === undefined ? HEADER_BYTES : Math.min(this.#size - this.#offset, this.#partBytes)
  }

  #take(end: Buffer): Buffer {
    if (this.#held.length === 0) return end
    const piece = Buffer.concat([...this.#held, end])
    this.#held = []
    this.#heldBytes = 0
    return piece
  }

  #begin(head: Buffer): void {
    this.#size = Number(head.readBigUInt64BE(0))
    this.#type = String.fromCharCode(head[8]!)
    this.#offset = 0
  }

  #deliver(piece: Buffer): void {
    const type = this.#type!
    const offset = this.#offset
    this.#offset += piece.length
    if (this.#offset === this.#size) this.#type = undefined
    this.#receive(type, piece, offset, this.#size)
  }
}
