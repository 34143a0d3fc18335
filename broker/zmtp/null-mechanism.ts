import { type Command, encodeCommand, encodeMetadata, parseMetadata } from './command.ts'
import { HandshakeError, type Mechanism } from './mechanism.ts'

/** The types that may talk to a ROUTER (RFC 28). */
const PARTNERS = new Set(['DEALER', 'REQ', 'ROUTER'])
const READY = encodeCommand('READY', encodeMetadata({ 'Socket-Type': 'ROUTER', Identity: '' }))

/**
 * NULL: each side sends READY and nothing is proven. Ours goes out after the peer's has been looked at, so that a
 * refusal (P3) is the first command that the peer gets. What it says of its identity is not read.
 */
export function createNullMechanism(): Mechanism {
  return {
    name: 'NULL',
    receive({ name, data }: Command) {
      if (name !== 'READY') throw new HandshakeError('READY expected')
      const type = parseMetadata(data)?.get('socket-type')?.toString('latin1')
      if (type === undefined) throw new HandshakeError('READY without Socket-Type')
      if (!PARTNERS.has(type)) throw new HandshakeError('Incompatible socket type, ROUTER here')
      return { answer: READY, done: true }
    },
  }
}
