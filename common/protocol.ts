import { type Static, Type } from 'typebox'

/**
 * Names and numbers of the protocol between broker and server, written down in docs/protocol.md (section 3).
 * Every message is one ZMTP multipart message on a DEALER socket; its first frame is one of these verbs.
 */
export const PROTOCOL_VERSION = '1'

export const Verb = {
  // server -> broker
  READY: 'READY', // version, credential, JSON ServerInfo
  STATE: 'STATE', // JSON ServerState
  EVENT: 'EVENT', // callId, "more" | "final" [, payload]
  DRAIN: 'DRAIN', // reason
  // broker -> server
  WELCOME: 'WELCOME', // JSON Welcome
  REFUSED: 'REFUSED', // code, sentence
  CALL: 'CALL', // callId [, function, arguments]
  CANCEL: 'CANCEL', // callId, reason
  // both ways
  HEARTBEAT: 'HEARTBEAT',
  FRAME: 'FRAME', // callId, size in decimal, first bytes
  PART: 'PART', // callId, more bytes
} as const

/** The frame after the token in a client's message that cancels: [..., "", token, CANCEL_FRAME, text]. */
export const CLIENT_CANCEL = '__REXEC_CANCEL__'

const ServerPhase = Type.Union([Type.Literal('installing'), Type.Literal('ready'), Type.Literal('failed')])
export type ServerPhase = Static<typeof ServerPhase>

/** What a server says of itself in READY; further properties are ignored. */
export const ServerInfo = Type.Object({
  /** Calls it runs at once. */
  concurrency: Type.Integer({ minimum: 1 }),
  state: ServerPhase,
})
export type ServerInfo = Static<typeof ServerInfo>

/** STATE: `message` is a progress line while installing, the reason when failed. */
export const ServerState = Type.Object({
  state: ServerPhase,
  message: Type.String(),
  /** Error code of common/errors.ts when failed; install_failed without it. */
  code: Type.Optional(Type.String()),
})
export type ServerState = Static<typeof ServerState>

export interface Welcome {
  /** Seconds between heartbeats; a peer silent for `timeout` seconds is lost. */
  heartbeat: number
  timeout: number
}

/** Bytes of a whole payload, and of a FRAME's or PART's chunk, at most. */
export const MAX_PART = 1024 * 1024
