import { readFileSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { FromChild, MessageReader, Role } from './message.ts'

const WORKER_SOURCE = readFileSync(new URL('worker.py', import.meta.url))
/** A HELLO has fewer bytes. */
const MAX_HELLO = 1024

/** Something that reads the messages of its connection. */
interface Reading {
  reader: MessageReader
}

export interface WorkerSocketOptions {
  path: string
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
    socket.once('data', (chunk: Buffer) => welcome(socket, chunk, options))
  })
  const umask = process.umask(0o177) // from its first moment on the socket is for this user alone
  const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  process.umask(umask)
  await listening
  return server
}

/** The first byte says what has connected. */
function welcome(socket: Socket, chunk: Buffer, options: WorkerSocketOptions): void {
  const rest = chunk.subarray(1)
  switch (chunk[0]) {
    case Role.SOURCE: {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(WORKER_SOURCE.length)
      socket.end(Buffer.concat([size, WORKER_SOURCE]))
      break
    }
    case Role.PARENT: {
      const parent = options.onParent(socket)
      if (parent) follow(socket, rest, parent)
      else socket.destroy()
      break
    }
    case Role.CHILD:
      follow(socket, rest, introduce(socket, options))
      break
    default:
      socket.destroy()
  }
}

/** Reads a child's HELLO, then hands over to the child. */
function introduce(socket: Socket, options: WorkerSocketOptions): Reading {
  const reading: Reading = {
    reader: new MessageReader(MAX_HELLO, (type, body) => {
      try {
        const { pid } = JSON.parse(body.toString())
        if (type !== FromChild.HELLO || !Number.isSafeInteger(pid) || pid <= 0)
          throw new TypeError('no HELLO')
        reading.reader = options.onChild(socket, pid).reader
      } catch {
        socket.destroy()
      }
    }),
  }
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
