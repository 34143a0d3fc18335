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

/** The last frame of a client's message that cancels: [..., "", token, CANCEL_FRAME, text]. */
export const CLIENT_CANCEL = '__REXEC_CANCEL__'

/** What a server says of itself in READY. */
export interface ServerInfo {
  /** Calls it runs at once. */
  concurrency: number
  state: ServerPhase
}

export type ServerPhase = 'installing' | 'ready' | 'failed'

/** STATE: `message` is a progress line while installing, the reason when failed. */
export interface ServerState {
  state: ServerPhase
  message: string
}

export interface Welcome {
  /** Seconds between heartbeats; a peer silent for `timeout` seconds is lost. */
  heartbeat: number
  timeout: number
}

/** Bytes of a FRAME's or PART's chunk at most. */
export const MAX_PART = 1024 * 1024
