import { redact } from '../../../common/logger.ts'

/** Characters of a text of somebody else that a user is shown at most. */
const MAX_SHOWN = 2000
/** Colours of a terminal, and what cannot be seen: commands to it, turns of direction. Line feed and tab stay. */
const UNSEEN = /(?![\n\t])\p{Cc}(\[[\d;]*[A-Za-z])?|[\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * A text that rexec did not write (a container's last words, an event, a line of a log), fit for showing: without
 * what looks like a secret, without control characters, of bounded length.
 */
export function plain(text: string, limit = MAX_SHOWN): string {
  const shown = redact(text.slice(0, limit * 2).replace(UNSEEN, '')).trim()
  return shown.length > limit ? `${shown.slice(0, limit - 1)}…` : shown
}

/** The same as one sentence on one line. */
export function plainSentence(text: string, limit?: number): string {
  const line = plain(text.replace(/\s+/g, ' '), limit)
  return line === '' || /[.!?…]$/.test(line) ? line : `${line}.`
}
