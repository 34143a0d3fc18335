import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'

const REXEC = join(import.meta.dirname, '../../bin/rexec.ts')

export interface RunningCommand {
  child: ChildProcess
  /** What it has written so far. */
  output: { stdout: string; stderr: string }
  /** Resolves with the first line of stdout; rejects when the command ends without one. */
  firstLine: Promise<string>
  /** Resolves when it has ended and all its output is there. */
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>
}

/** Runs `rexec ARGS`; what still runs when the test ends is killed. `env` is added to this process' environment. */
export function rexec(t: Test, args: string[], env: Record<string, string | undefined> = {}): RunningCommand {
  const child = spawn(process.execPath, [REXEC, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => {
    output.stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    output.stderr += chunk
  })
  const ended: RunningCommand['ended'] = new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal, ...output }))
  })
  const firstLine = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    void ended.then(({ code, stderr }) => reject(new Error(`ended with exit code ${code}: ${stderr}`)))
  })
  // Whoever does not wait for a line does not care that there is none.
  firstLine.catch(() => undefined)
  return { child, output, firstLine, ended }
}
