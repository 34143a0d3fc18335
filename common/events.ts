import { type ErrorCode, RexecError, sentence } from './errors.ts'
import { type Picklable, pickle } from './pickle.ts'

/**
 * The events of a call as the Rexec clients read them (docs/protocol.md, section 2): pickled dicts with a `type`
 * of DATA, END or ERROR. An ERROR makes the client raise RuntimeError(message).
 */
export type Channel = 'stdout' | 'stderr'

/** Text that a function wrote, or a progress line (as stderr). */
export function dataEvent(channel: Channel, data: string): Buffer {
  return pickle({ type: 'DATA', channel, data })
}

/** The regular end of a call, or its end by a cancel. */
export function endEvent(cancelled?: { reason: string }): Buffer {
  return pickle(cancelled ? { type: 'END', cancelled: true, reason: cancelled.reason } : { type: 'END' })
}

/** A failure: `message` is what the client raises; `details` may hold a remote traceback. */
export function errorEvent(
  code: ErrorCode,
  detail?: string,
  details: Record<string, Picklable> = {},
): Buffer {
  return pickle({ type: 'ERROR', message: sentence(code, detail), details: { code, ...details } })
}

/** An exception of the user's function: the client raises RuntimeError with just this message. */
export function raisedEvent(message: string, details: Record<string, Picklable>): Buffer {
  return pickle({ type: 'ERROR', message, details })
}

/** The same for an error that was caught; anything but a RexecError stays inside and is called `internal`. */
export function errorEventOf(error: unknown): Buffer {
  return error instanceof RexecError ? errorEvent(error.code, error.detail) : errorEvent('internal')
}
