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
  /** Then the limit, in bytes, if there is one. */
  limit?: number | null
  /** Why it could not be started, in a few words. */
  reason?: string
}

/** The error for a process that ended before its call did. */
export function exitFailure({ pid, code, oom, limit, reason }: Exit): [ErrorCode, string] {
  if (pid === 0) return ['process_limit', `The server is at a limit: ${reason}.`]
  if (oom) {
    const size = limit ? ` (limit ${inBinaryUnits(limit)})` : ''
    return ['out_of_memory', `The kernel killed the process: out of memory${size}.`]
  }
  if (code >= 0)
    return ['worker_died', `The process ended by itself with exit code ${code}, as os._exit(${code}) does.`]
  const signals = Object.entries(constants.signals)
  const name = signals.find(([, number]) => number === -code)?.[0] ?? `signal ${-code}`
  const hint = name === 'SIGKILL' ? ', perhaps because memory had run out' : ''
  return ['worker_died', `The process was killed by ${name}${hint}.`]
}

/** The error for a call that no process could be made ready for. */
export function stillbornFailure(exit: Exit): [ErrorCode, string] {
  if (exit.pid === 0 || exit.oom) return exitFailure(exit)
  return ['worker_died', `No process could be made ready (code ${exit.code}): the server's log says why.`]
}

/** As Kubernetes writes amounts of memory: 1 GiB, 1.5 GiB, 300 MiB. */
function inBinaryUnits(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1)
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`
}
