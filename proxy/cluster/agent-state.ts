import type { AgentStateLine } from '../../common/agent-settings.ts'
import { type ErrorCode, errorTable } from '../../common/errors.ts'

const STATES: readonly string[] = ['starting', 'installing', 'ready', 'failed', 'stopping']

/** Reads a line of an agent's output; undefined for all that does not tell its state. */
export function readStateLine(line: string): AgentStateLine | undefined {
  try {
    const value = JSON.parse(line) as Partial<AgentStateLine> | null
    const isState = value?.event === 'state' && STATES.includes(`${value.state}`)
    return isState && typeof value.message === 'string' ? (value as AgentStateLine) : undefined
  } catch {
    return undefined
  }
}

/** A code that some text names, if it is one of ours. */
export function knownCode(code: unknown): ErrorCode | undefined {
  return typeof code === 'string' && Object.hasOwn(errorTable, code) ? (code as ErrorCode) : undefined
}
