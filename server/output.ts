import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs'
import { Socket } from 'node:net'
import { StringDecoder } from 'node:string_decoder'

/** Bytes read at once: what a pipe holds on Linux. */
const CHUNK = 64 * 1024
/** What a pipe can be made to hold (fs.pipe-max-size). More cannot lie in it, whatever a child says. */
const LARGEST_PIPE = 1024 * 1024
/** All outputs read into the same buffer: reading is synchronous and the text is copied out at once. */
const chunk = Buffer.allocUnsafe(CHUNK)

/**
 * What a child writes on stdout or stderr, through a FIFO on its file descriptor: so the output of C code and of
 * subprocesses comes as well, `/dev/stdout` can be opened, nothing is lost in a crash, and a child that writes faster
 * than its client reads is made to wait by the kernel.
 */
export class Output {
  readonly #fd: number
  readonly #socket: Socket
  readonly #decoder = new StringDecoder('utf8')
  readonly #onText: (text: string) => void
  #paused = false

  /** Opens the FIFO at `path`, which the child has made and holds open, and removes its name. */
  constructor(path: string, onText: (text: string) => void) {
    this.#onText = onText
    this.#fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
    try {
      unlinkSync(path)
      if (!fstatSync(this.#fd).isFIFO()) throw new TypeError(`${path} is not a FIFO`)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
    this.#socket = new Socket({
      fd: this.#fd,
      readable: true,
      writable: false,
      onread: {
        buffer: chunk,
        callback: (bytes) => {
          this.#take(bytes)
          return !this.#paused
        },
      },
    } as ConstructorParameters<typeof Socket>[0])
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.resume()
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket.resume()
  }

  /** Takes what lies in the pipe now, up to `bytes`, without waiting for the event loop. */
  drain(bytes = CHUNK): void {
    if (this.#socket.destroyed) return // all writers had closed it, so all has been read
    let rest = Math.min(bytes, LARGEST_PIPE)
    try {
      while (rest > 0) {
        const count = readSync(this.#fd, chunk, 0, Math.min(rest, CHUNK), null)
        if (count === 0) return
        this.#take(count)
        rest -= count
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }

  /** Takes the rest of an incomplete character, at the very end. */
  end(): void {
    const text = this.#decoder.end()
    if (text) this.#onText(text)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(bytes: number): void {
    const text = this.#decoder.write(chunk.subarray(0, bytes))
    if (text) this.#onText(text)
  }
}
