/**
 * Encoder for the few Python values that rexec itself sends to a client, which reads them with dill.loads().
 * Pickle protocol 3 (Python >= 3.0): every supported client reads it. There is no decoder on purpose: rexec never
 * looks into a user's pickles.
 */
export type Picklable = null | boolean | number | string | Uint8Array | { [key: string]: Picklable }

const PROTO_3 = Buffer.from([0x80, 3])
const NONE = Buffer.from('N')
const TRUE = Buffer.from([0x88])
const FALSE = Buffer.from([0x89])
const EMPTY_DICT = Buffer.from('}')
const SETITEM = Buffer.from('s')
const STOP = Buffer.from('.')

/** Pickles a value. Numbers are Python ints when they are 32-bit integers, floats otherwise. */
export function pickle(value: Picklable): Buffer {
  const parts: Uint8Array[] = [PROTO_3]
  write(value, parts)
  parts.push(STOP)
  return Buffer.concat(parts)
}

function write(value: Picklable, parts: Uint8Array[]): void {
  if (value === null) parts.push(NONE)
  else if (typeof value === 'boolean') parts.push(value ? TRUE : FALSE)
  else if (typeof value === 'number') parts.push(number(value))
  else if (typeof value === 'string') parts.push(sized('X', Buffer.from(value.toWellFormed())))
  else if (value instanceof Uint8Array) parts.push(sized('B', value))
  else {
    parts.push(EMPTY_DICT)
    for (const [key, item] of Object.entries(value)) {
      write(key, parts)
      write(item, parts)
      parts.push(SETITEM)
    }
  }
}

function number(value: number): Buffer {
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    const int = Buffer.alloc(5, 'J')
    int.writeInt32LE(value, 1)
    return int
  }
  const float = Buffer.alloc(9, 'G')
  float.writeDoubleBE(value, 1)
  return float
}

/** BINUNICODE and BINBYTES: opcode, 4-byte little-endian length, bytes. */
function sized(opcode: 'X' | 'B', bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5, opcode)
  head.writeUInt32LE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}
