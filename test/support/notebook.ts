import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { Test } from 'tap'
import type { Client } from './clients.ts'
import { type Transcript, transcribe } from './transcript.ts'

const PROGRAM = join(import.meta.dirname, '../clients/programs/notebook.py')
/** A notebook that has not ended by then hangs; it is killed so that the test fails and not the whole run. */
const PATIENCE = 540_000

export interface Connection {
  url: string
  broker: { client: string }
  token: string
}

/** What a cell raised. */
export class PythonError extends Error {
  constructor(type: string, message: string) {
    super(message)
    this.name = type
  }
}

export interface Notebook {
  pid: number
  stdout: Transcript
  stderr: Transcript
  /** Runs a cell of Python. @returns the value of its last expression @throws PythonError what it raised */
  run<T = unknown>(cell: string): Promise<T>
  /** Runs a cell that must raise; resolves with it. */
  raises(cell: string): Promise<PythonError>
  /** Ctrl-C. */
  interrupt(): void
  /** kill -9 */
  kill(): void
  ended: Promise<void>
}

/** A real Python process with the client in it, connected to the service as one user; ended after the test. */
export function openNotebook(
  t: Test,
  python: string,
  { url, broker, token }: Connection,
  { api }: Pick<Client, 'api'> = { api: 'scidx-rexec' },
): Notebook {
  const child = spawn(python, ['-u', PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
  })
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const { hostname: host, port } = new URL(broker.client)
  const stdin = child.stdin!
  const stdout = transcribe(child.stdout!)
  const stderr = transcribe(child.stderr!)
  const answers = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]()
  stdin.on('error', () => undefined)
  stdin.write(`${JSON.stringify({ url, host, port, token, api })}\n`)
  t.teardown(async () => {
    stdin.end()
    child.kill('SIGKILL')
    await ended
  })

  async function run<T>(cell: string): Promise<T> {
    stdin.write(`${JSON.stringify(cell)}\n`)
    const { done, value: line } = await answers.next()
    if (done) throw new Error(`the notebook has ended: ${stderr.text}`)
    const { raised, message, value } = JSON.parse(line)
    if (raised) throw new PythonError(raised, message)
    return value
  }

  return {
    pid: child.pid!,
    stdout,
    stderr,
    run,
    async raises(cell) {
      const value = await run(cell).catch((error) => error)
      if (value instanceof PythonError) return value
      throw value instanceof Error ? value : new Error(`it returned ${JSON.stringify(value)}`)
    },
    interrupt: () => void child.kill('SIGINT'),
    kill: () => void child.kill('SIGKILL'),
    ended,
  }
}
