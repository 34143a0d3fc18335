/**
 * Large memory that is used for a moment and then again, by any connection. Left to the garbage collector it would
 * cost more than all other work on messages of 64 KiB and above.
 */
const SMALLEST = 16 * 1024
const LARGEST = 1024 * 1024
/** Unused memory that is kept. */
const MAX_SPARE = 32 * 1024 * 1024

const spares = new Map<number, Buffer[]>()
let spareBytes = 0

/** Memory of at least `size` bytes, with anything in it. */
export function borrow(size: number): Buffer {
  if (size < SMALLEST || size > LARGEST) return Buffer.allocUnsafeSlow(size)
  const length = 2 ** Math.ceil(Math.log2(size))
  const spare = spares.get(length)?.pop()
  if (spare === undefined) return Buffer.allocUnsafeSlow(length)
  spareBytes -= length
  return spare
}

/** Returns what borrow() gave, the same object; no view of it may be in use. */
export function giveBack(memory: Buffer): void {
  const { length } = memory
  if (length < SMALLEST || length > LARGEST || spareBytes + length > MAX_SPARE) return
  spareBytes += length
  const spare = spares.get(length)
  if (spare === undefined) spares.set(length, [memory])
  else spare.push(memory)
}
