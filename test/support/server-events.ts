import type { Test } from 'tap'
import type { ServerStatus } from '../../proxy/pipeline.ts'
import type { Connection } from './notebook.ts'

/** Milliseconds: less than a test file has, so that the last status is said. */
const PATIENCE = 180_000

export interface Told {
  status: ServerStatus
  /** When it was heard, in milliseconds since the epoch. */
  at: number
}

export interface ServerEvents {
  /** All that has been told so far. */
  told: readonly Told[]
  /** The first status that fits, also one told before. Rejects when the stream ends without, or after PATIENCE. */
  until(fits: (status: ServerStatus) => boolean): Promise<Told>
}

/** Reads GET /servers/NAME/events as it comes, until it ends or the test does. */
export async function followServer(t: Test, service: Connection, name: string): Promise<ServerEvents> {
  const { url, token } = service
  const leaving = new AbortController()
  t.teardown(() => leaving.abort())
  const answer = await fetch(`${url}/api/v1/servers/${name}/events`, {
    headers: { authorization: `Bearer ${token}` },
    signal: leaving.signal,
  })
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`)
  const told: Told[] = []
  let ended = false
  let wake = () => {}
  let change = new Promise<void>((resolve) => {
    wake = resolve
  })
  const tell = () => {
    wake()
    change = new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  async function read(): Promise<void> {
    let text = ''
    for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk
      const events = text.split('\n\n')
      text = events.pop()!
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1]
        if (data) told.push({ status: JSON.parse(data), at: Date.now() })
      }
      tell()
    }
  }
  void read()
    .catch(() => undefined)
    .finally(() => {
      ended = true
      tell()
    })
  return {
    told,
    async until(fits) {
      let overdue = false
      const timer = setTimeout(() => {
        overdue = true
        tell()
      }, PATIENCE)
      try {
        for (;;) {
          const found = told.find(({ status }) => fits(status))
          if (found) return found
          if (ended || overdue) throw new Error(`it never came; last: ${JSON.stringify(told.at(-1)?.status)}`)
          await change
        }
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
