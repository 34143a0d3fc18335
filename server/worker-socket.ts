import { readFileSync } from 'node:fs'
import { mkdir, unlink } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { FromChild, MessageReader, Role } from './message.ts'

const SOURCE = readFileSync(new URL('worker.py', import.meta.url))

export interface WorkerSocketOptions {
  path: string
  /** A parent has connected: what reads its messages, or undefined to refuse it. */
  onParent(socket: Socket): MessageReader | undefined
  onChild(socket: Socket, hello: { pid: number }): { reader: MessageReader }
}

/** Listens on the Unix socket for the worker (docs/protocol.md, section 4). */
export async function listenForWorker(options: WorkerSocketOptions): Promise<Server> {
  const { path } = options
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await unlink(path).catch(() => {})
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (chunk: Buffer) => begin(socket, chunk, options))
  })
  const umask = process.umask(0o177) // from its first moment on the socket is for this user alone
  const listening = new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  process.umask(umask)
  await listening
  return server
}

function begin(socket: Socket, chunk: Buffer, options: WorkerSocketOptions): void {
  const rest = chunk.subarray(1)
  switch (chunk[0]) {
    case Role.SOURCE: {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(SOURCE.length)
      socket.end(Buffer.concat([size, SOURCE]))
      break
    }
    case Role.PARENT: {
      const reader = options.onParent(socket)
      if (!reader) return void socket.destroy()
      follow(socket, reader, rest)
      break
    }
    case Role.CHILD: {
      let child: { reader: MessageReader } | undefined
      const hello = new MessageReader(1024, (type, body) => {
        if (type !== FromChild.HELLO) return void socket.destroy()
        child = options.onChild(socket, JSON.parse(body.toString()))
      })
      const onData = (data: Buffer) => (child ? child.reader : hello).push(data)
      socket.on('data', onData)
      onData(rest)
      break
    }
    default:
      socket.destroy()
  }
}

function follow(socket: Socket, reader: MessageReader, rest: Buffer): void {
  socket.on('data', (data: Buffer) => reader.push(data))
  reader.push(rest)
}
