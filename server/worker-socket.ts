import { readFileSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { FromChild, MessageReader, Role } from './message.ts'

/** A HELLO has fewer bytes. */
const MAX_HELLO = 1024
/** What has connected says within this time (ms) what it is. Long, as all cores may be busy with calls. */
const INTRODUCTION = 60_000

/** The answer to SOURCE: 4 bytes of length, and worker.py. */
const SOURCE = sourceMessage(readFileSync(new URL('worker.py', import.meta.url)))

function sourceMessage(source: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeUInt32BE(source.length)
  return Buffer.concat([size, source])
}

/** Something that reads the messages of its connection. */
interface Reading {
  reader: MessageReader
}

export interface WorkerSocketOptions {
  path: string
  /** What connects beyond it is closed: the worker can open connections as it likes. */
  maxConnections: number
  /** Milliseconds for a connection to say what it is. */
  introductionTime?: number
  /** The parent has connected; undefined refuses it. */
  onParent(socket: Socket): Reading | undefined
  /** A child is ready. What it says of itself is checked here; that it is a child is not: all are the same user. */
  onChild(socket: Socket, pid: number): Reading
}

/** Listens on the Unix socket for the worker (docs/protocol.md, section 4). */
export async function listenForWorker(options: WorkerSocketOptions): Promise<Server> {
  const { path } = options
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await unlink(path).catch(() => {}) // of an agent that was killed
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    const late = setTimeout(() => socket.destroy(), options.introductionTime ?? INTRODUCTION)
    socket.once('close', () => clearTimeout(late))
    socket.once('data', (chunk: Buffer) => welcome(socket, chunk, options, () => clearTimeout(late)))
  })
  server.maxConnections = options.maxConnections
  const umask = process.umask(0o177) // from its first moment on the socket is for this user alone
  const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  process.umask(umask)
  await listening
  return server
}

/** The first byte says what has connected. */
function welcome(
  socket: Socket,
  chunk: Buffer,
  { onParent, onChild }: WorkerSocketOptions,
  introduced: () => void,
): void {
  const rest = chunk.subarray(1)
  switch (chunk[0]) {
    case Role.SOURCE:
      socket.end(SOURCE, () => socket.destroy())
      break
    case Role.PARENT: {
      const parent = onParent(socket)
      if (!parent) return void socket.destroy()
      introduced()
      follow(socket, rest, parent)
      break
    }
    case Role.CHILD:
      follow(
        socket,
        rest,
        childToBe((pid) => {
          const child = onChild(socket, pid)
          introduced()
          return child
        }),
      )
      break
    default:
      socket.destroy()
  }
}

/** Reads a child's HELLO, and only that, then hands over to the child. */
function childToBe(introduce: (pid: number) => Reading): Reading {
  const reading: Reading = {
    reader: new MessageReader(MAX_HELLO, (type, body) => {
      const { pid } = JSON.parse(body.toString())
      if (reading.reader !== first || type !== FromChild.HELLO || !Number.isSafeInteger(pid) || pid <= 0)
        throw new TypeError('no HELLO')
      reading.reader = introduce(pid).reader
    }),
  }
  const first = reading.reader
  return reading
}

function follow(socket: Socket, rest: Buffer, reading: Reading): void {
  const push = (chunk: Buffer) => {
    try {
      reading.reader.push(chunk)
    } catch {
      socket.destroy() // not what worker.py sends
    }
  }
  socket.on('data', push)
  if (rest.length > 0) push(rest)
}
