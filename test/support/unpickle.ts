import { execFile } from 'node:child_process'

const PROGRAM = `
import json, pickle, sys
frame = sys.stdin.buffer.read()
try:
    answer = pickle.loads(frame)
except Exception as error:
    answer = {"raised": type(error).__name__}
print(json.dumps(answer))
`

/** What a real Python makes of an event; {raised} when it cannot read it. */
export function unpickle(payload: Buffer): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const child = execFile('python3', ['-c', PROGRAM], (error, stdout) =>
      error ? reject(error) : resolve(JSON.parse(stdout)),
    )
    child.stdin!.end(payload)
  })
}
