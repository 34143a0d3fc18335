/**
 * The bytes of one ZMTP frame: one Buffer when they arrived in one read, a list when they did not. Bodies are passed
 * on as they are, so most frames are never put together.
 */
export type Frame = Buffer | BufferList

export class BufferList {
  length = 0
  readonly pieces: Buffer[] = []

  push(piece: Buffer): void {
    this.pieces.push(piece)
    this.length += piece.length
  }
}

/** The frame in one piece, for the short ones that are looked into. */
export function toBuffer(frame: Frame): Buffer {
  return frame instanceof BufferList ? Buffer.concat(frame.pieces, frame.length) : frame
}

/**
 * A piece of a read keeps the whole read in memory. Worth it when it is at least half of it; a smaller one that has
 * to wait is copied, so that waiting bytes cost at most twice their number.
 */
export function retainsTooMuch(piece: Buffer): boolean {
  return piece.length * 2 < piece.buffer.byteLength
}

/** The frame in a form that may be kept for long. */
export function compact(frame: Frame): Frame {
  if (frame instanceof BufferList) {
    if (frame.pieces.some(retainsTooMuch)) return toBuffer(frame)
    return frame
  }
  return retainsTooMuch(frame) ? copy(frame) : frame
}

function copy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length)
  own.set(bytes)
  return own
}
