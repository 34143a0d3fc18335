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
  return code === null ? raisedEvent(detail, details) : errorEvent(knownCode(code), detail, details)
}

export function knownCode(code: string | null): ErrorCode {
  return code !== null && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'internal'
}

/** How a process ended. */
export interface Exit {
  /** 0 when it could not even be started. */
  pid: number
  /** Exit code, or the negative number of the signal that killed it. */
  code: number
  /** Memory had run out: the kernel killed it, or one beside it. */
  oom?: boolean
  /** Why it could not be started. */
  reason?: string
}

/** The error for a process that ended before its call did. */
export function exitFailure({ pid, code, oom, reason }: Exit): [ErrorCode, string] {
  if (pid === 0) return ['worker_died', `The server is at a limit: ${reason}.`]
  if (oom) return ['out_of_memory', 'The kernel killed the process because memory had run out.']
  if (code >= 0)
    return ['worker_died', `The process ended by itself with exit code ${code}, as os._exit(${code}) does.`]
  const signals = Object.entries(constants.signals)
  const name = signals.find(([, number]) => number === -code)?.[0] ?? `signal ${-code}`
  const hint = name === 'SIGKILL' ? ', perhaps because memory had run out' : ''
  return ['worker_died', `The process was killed by ${name}${hint}.`]
}
