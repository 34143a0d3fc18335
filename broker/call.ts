import type { ClientSession } from './client.ts'
import { awakeTime } from './clock.ts'
import type { ServerSession } from './server.ts'

/** One function invocation, from the client's message to the final event. */
export interface Call {
  /** Chosen by us, new for every call of this process; on the wire its decimal digits. */
  readonly number: number
  readonly id: Buffer
  readonly client: ClientSession
  /** Frames before the empty delimiter, given back with every event. */
  readonly envelope: readonly Buffer[]
  readonly user: string
  /** The only server that the token is for, if it names one. */
  readonly serverName: string | undefined
  /** Kept for questions about the user's servers while the call waits. */
  token: Buffer
  /** Until a server has the call: function and arguments; of a streamed call, the frames that were complete when it began. */
  body: Buffer[]
  readonly streamed: boolean
  /** awakeTime() of its arrival. */
  readonly since: number
  /** The server that runs it; undefined while it waits. */
  server: ServerSession | undefined
  /** The client has its last event, or is gone. The server may still be busy with it (S5). */
  over: boolean
  /** The server was told to stop it. */
  cancelled: boolean
  /** The last progress line that the client was shown (C4). */
  progress: string
  /** An event whose frame comes in parts: bytes still to come, -1 before its FRAME. */
  incoming: { final: boolean; left: number } | undefined
}

let lastNumber = 0

export function createCall(
  from: Pick<Call, 'client' | 'envelope' | 'user' | 'serverName' | 'token' | 'body' | 'streamed'>,
): Call {
  const number = ++lastNumber
  return {
    number,
    id: Buffer.from(String(number), 'latin1'),
    client: from.client,
    envelope: from.envelope,
    user: from.user,
    serverName: from.serverName,
    token: from.token,
    body: from.body,
    streamed: from.streamed,
    since: awakeTime(),
    server: undefined,
    over: false,
    cancelled: false,
    progress: '',
    incoming: undefined,
  }
}

/** The number of a call id frame, -1 when it is none of ours. */
export function callNumber(id: Buffer): number {
  const { length } = id
  if (length === 0 || length > 15) return -1
  let number = 0
  for (let i = 0; i < length; i++) {
    const digit = id[i]! - 48
    if (digit < 0 || digit > 9) return -1
    number = number * 10 + digit
  }
  return number
}

export function bodyBytes(call: Call): number {
  let bytes = 0
  for (const frame of call.body) bytes += frame.length
  return bytes
}
