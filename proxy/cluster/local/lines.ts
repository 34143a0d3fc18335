import type { Readable } from 'node:stream'

/** Characters of a line at most: what comes without a newline is cut, so that it cannot fill the memory. */
export const MAX_LINE = 16_384

/** Calls `onLine` for each line of a stream of text, without its newline; the last one need not end with one. */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()!
    for (const line of lines) onLine(line.slice(0, MAX_LINE))
    while (rest.length > MAX_LINE) {
      onLine(rest.slice(0, MAX_LINE))
      rest = rest.slice(MAX_LINE)
    }
  })
  stream.on('end', () => rest && onLine(rest))
  // A pipe that breaks ends the process at its other side; that is reported where the process is.
  stream.on('error', () => undefined)
}
