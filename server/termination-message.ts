import { writeFileSync } from 'node:fs'
import type { AgentStateLine } from '../common/agent-settings.ts'

/** Kubernetes keeps no more of a container's termination message. */
const MAX_BYTES = 4096

/**
 * The last state as JSON of at most 4096 bytes. A message that is too long loses its beginning, for its end says most:
 * the installer's last lines, what to do, the code.
 */
export function terminationMessage({ state, message, code }: Omit<AgentStateLine, 'event'>): string {
  const text = (message: string) => JSON.stringify({ state, message, code })
  if (Buffer.byteLength(text(message)) <= MAX_BYTES) return text(message)
  const characters = Array.from(message)
  let from = characters.length
  for (let left = MAX_BYTES - Buffer.byteLength(text('… ')); ; from--) {
    left -= Buffer.byteLength(JSON.stringify(characters[from - 1])) - 2
    if (left < 0) return text(`… ${characters.slice(from).join('')}`)
  }
}

/** Leaves the last state where Kubernetes looks for it. @throws when the file cannot be written */
export function leaveTerminationMessage(file: string, state: Omit<AgentStateLine, 'event'>): void {
  writeFileSync(file, terminationMessage(state))
}
