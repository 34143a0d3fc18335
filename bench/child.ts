import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** A process that answers in lines of JSON. */
export interface Child {
  pid: number
  /** Writes a line to its stdin. */
  tell(line: string): void
  /** The next line of its stdout, parsed. Rejects with what it wrote to stderr when it ends before. */
  next(): Promise<unknown>
  /** Asks it to end (SIGTERM; SIGKILL after 10 s) and waits until it has. */
  close(): Promise<void>
}

/** Those that run. */
const running = new Set<ChildProcessByStdio<Writable, Readable, Readable>>()

/** Asks all to end, without waiting: for a bench that is ended itself. */
export function endChildren(): void {
  for (const child of running) child.kill()
}

const KILL_AFTER = 10_000
const STDERR_KEPT = 4000

/**
 * Starts a program; `input`, if given, is all that its stdin gets, `env` comes on top of ours. Secrets go there, not
 * into `args`.
 */
export function startChild(
  command: string,
  args: string[],
  input?: string,
  env: Record<string, string> = {},
): Child {
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  const ended = once(child, 'close')
  ended.catch(() => {}) // a program that is not there; next() tells
  let complaint = ''
  child.stderr.on('data', (data) => {
    complaint = (complaint + data).slice(-STDERR_KEPT)
  })
  child.stdin.on('error', () => {}) // the program's end is what gets told
  if (input !== undefined) child.stdin.end(input)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    pid: child.pid ?? 0,
    tell: (line) => void child.stdin.write(`${line}\n`),
    async next() {
      const { value, done } = await lines.next()
      if (!done) return JSON.parse(value)
      await ended
      throw new Error(`${command} ended before it answered. ${complaint.trim()}`)
    },
    async close() {
      child.kill()
      const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER)
      await ended
      clearTimeout(timer)
    },
  }
}
