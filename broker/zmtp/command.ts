/** A ZMTP command: its body is the name with its length, then the data. */
export interface Command {
  name: string
  data: Buffer
}

const COMMAND = 4
const LONG = 2

/** The whole command frame. */
export function encodeCommand(name: string, data: Buffer): Buffer {
  const size = 1 + name.length + data.length
  const header = size < 256 ? Buffer.from([COMMAND, size]) : Buffer.alloc(9, COMMAND | LONG)
  if (size >= 256) header.writeBigUInt64BE(BigInt(size), 1)
  return Buffer.concat([header, Buffer.from([name.length]), Buffer.from(name, 'latin1'), data])
}

/** Undefined when the body is not a command. */
export function parseCommand(body: Buffer): Command | undefined {
  const length = body[0]
  if (length === undefined || length === 0 || body.length < 1 + length) return undefined
  return { name: body.toString('latin1', 1, 1 + length), data: body.subarray(1 + length) }
}

/** Properties of READY: name with 1 byte of length, value with 4. Names are read without regard to case. */
export function encodeMetadata(properties: Record<string, string>): Buffer {
  return Buffer.concat(
    Object.entries(properties).flatMap(([name, value]) => {
      const size = Buffer.alloc(4)
      size.writeUInt32BE(value.length)
      return [Buffer.from([name.length]), Buffer.from(name), size, Buffer.from(value)]
    }),
  )
}

/** Undefined when the data does not follow the grammar. */
export function parseMetadata(data: Buffer): Map<string, Buffer> | undefined {
  const properties = new Map<string, Buffer>()
  let at = 0
  while (at < data.length) {
    const nameEnd = at + 1 + data[at]!
    if (nameEnd + 4 > data.length || nameEnd === at + 1) return undefined
    const end = nameEnd + 4 + data.readUInt32BE(nameEnd)
    if (end > data.length) return undefined
    properties.set(data.toString('latin1', at + 1, nameEnd).toLowerCase(), data.subarray(nameEnd + 4, end))
    at = end
  }
  return properties
}
