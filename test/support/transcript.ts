import type { Readable } from 'node:stream'

export interface Transcript {
  /** All text so far. */
  readonly text: string
  /** Resolves when the text matches; rejects when it has ended without. */
  until(pattern: RegExp): Promise<RegExpExecArray>
}

/** Keeps what a process writes, and lets tests wait for a part of it. */
export function transcribe(stream: Readable): Transcript {
  let text = ''
  let ended = false
  let looks: (() => void)[] = []
  const look = () => {
    for (const again of looks.splice(0)) again()
  }
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text += chunk
    look()
  })
  stream.on('close', () => {
    ended = true
    look()
  })
  return {
    get text() {
      return text
    },
    async until(pattern) {
      for (;;) {
        const found = pattern.exec(text)
        if (found) return found
        if (ended) throw new Error(`${pattern} never came; there was: ${text.slice(-2000)}`)
        await new Promise<void>((resolve) => {
          looks = [...looks, resolve]
        })
      }
    },
  }
}
