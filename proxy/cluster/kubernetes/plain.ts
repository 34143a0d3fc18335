import { redact } from '../../../common/logger.ts'

/** Characters of a text of somebody else that a user is shown at most. */
const MAX_SHOWN = 2000
/** All but line feed and tab: terminals and pages take them for commands. Also what turns the direction of text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

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
