/**
 * Frames that the parser gives are views of the connections' shared read buffer, valid until the call returns.
 * Whoever keeps one keeps a copy, with memory of its own.
 */
export function keep(frame: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(frame.length)
  own.set(frame)
  return own
}
