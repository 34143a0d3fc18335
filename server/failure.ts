import { constants } from 'node:os'
import { type ErrorCode, errorTable } from '../common/errors.ts'
import { errorEvent, raisedEvent } from '../common/events.ts'

/** What worker.py reports: a code of the error table, or null for an exception of the user's function. */
export interface Failure {
  code: string | null
  detail: string
  details?: Record<string, string>
}

export function failureEvent({ code, detail, details = {} }: Failure): Buffer {
  return code !== null && code in errorTable
    ? errorEvent(code as ErrorCode, detail, details)
    : raisedEvent(detail, details)
}

/** How a process ended: its exit code, or the negative number of the signal that killed it. */
export interface Exit {
  pid: number
  code: number
  /** The kernel killed a process of this server because memory had run out. */
  oom?: boolean
}

/** The error for a process that ended before its call did. */
export function exitFailure({ code, oom }: Omit<Exit, 'pid'>): [ErrorCode, string] {
  if (oom) return ['out_of_memory', 'The process was killed because the memory of the server had run out.']
  if (code >= 0) return ['worker_died', `The process ended with exit code ${code}, as by os._exit(${code}).`]
  const signal =
    Object.entries(constants.signals).find(([, number]) => number === -code)?.[0] ?? `signal ${-code}`
  const hint = signal === 'SIGKILL' ? ' (often because memory has run out)' : ''
  return ['worker_died', `The process was killed by ${signal}${hint}.`]
}
