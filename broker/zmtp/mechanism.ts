import type { Command } from './command.ts'

/**
 * The handshake after the greeting. One object per connection, so that a mechanism with several steps (CURVE) can
 * keep its state; NULL has one step.
 */
export interface Mechanism {
  /** As in the greeting. */
  readonly name: string
  /**
   * Takes the peer's next command. `answer` is a whole command frame; `done` ends the handshake.
   * @throws HandshakeError when the peer is refused; its message goes out in the ERROR command.
   */
  receive(command: Command): { answer?: Buffer; done: boolean }
}

/** Why a peer is refused: a short ASCII text without anything secret, at most 255 characters. */
export class HandshakeError extends Error {}

/** The ERROR command's data: the reason with its length. */
export function encodeReason(reason: string): Buffer {
  return Buffer.concat([Buffer.from([reason.length]), Buffer.from(reason, 'latin1')])
}
