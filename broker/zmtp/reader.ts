import { Socket } from 'node:net'

/**
 * Every connection reads into this one buffer. A Buffer per read, as streams make them, costs a third of the time in
 * garbage collection at 64 KiB messages; and reads can be four times as large.
 */
const READ = Buffer.allocUnsafeSlow(256 * 1024)

/**
 * Takes over an accepted connection that is paused and has read nothing, and gives its bytes to `onRead` from the
 * first resume() on. The chunk is only valid during the call: what is kept must be copied.
 */
export function readShared(accepted: Socket, onRead: (chunk: Buffer) => void): Socket {
  // The constructor's `onread` is public, but createServer() cannot be told to use it; so its handle is moved over.
  const owner = accepted as unknown as { _handle: unknown }
  const handle = owner._handle
  owner._handle = null
  const options = {
    handle,
    pauseOnCreate: true,
    onread: {
      buffer: READ,
      callback(bytes: number) {
        onRead(bytes === READ.length ? READ : READ.subarray(0, bytes))
        return true
      },
    },
  }
  return new Socket(options as unknown as ConstructorParameters<typeof Socket>[0])
}
