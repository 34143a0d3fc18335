import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'

const PROGRAM = `
import base64, json, pickle, sys
for line in sys.stdin:
    try:
        answer = pickle.loads(base64.b64decode(line))
    except Exception as error:
        answer = {"raised": type(error).__name__}
    print(json.dumps(answer), flush=True)
`

/** One Python for all events of a test file; it ends with the file's process. */
let python: { child: ChildProcess; lines: AsyncIterator<string> } | undefined
let last: Promise<unknown> = Promise.resolve()

/** What a real Python makes of an event; {raised} when it cannot read it. */
export function unpickle(payload: Buffer): Promise<Record<string, unknown>> {
  const answer = last.then(async () => {
    python ??= start()
    const { child, lines } = python
    hold(child, true)
    child.stdin!.write(`${payload.toString('base64')}\n`)
    const { value, done } = await lines.next()
    hold(child, false)
    if (done) throw new Error('the Python that reads events has ended')
    return JSON.parse(value)
  })
  last = answer.catch(() => undefined)
  return answer
}

function start() {
  const child = spawn('python3', ['-c', PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() }
}

/** Only while it is asked does it keep this process from ending. */
function hold(child: ChildProcess, isAsked: boolean): void {
  for (const each of [child, child.stdin as Socket, child.stdout as Socket]) {
    if (isAsked) each.ref()
    else each.unref()
  }
}
