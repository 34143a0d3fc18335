import { Problem } from '../bin/problem.ts'
import { endChildren } from './child.ts'

/** Progress, apart from the result on stdout. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/**
 * Runs a program of the bench; what a person can put right is shown as a sentence. When it is ended by a signal, so
 * is all that it has started.
 */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endChildren()
      process.kill(process.pid, signal) // now without a handler
    })
  }
  try {
    await main()
  } catch (error) {
    say(error instanceof Problem ? error.message : String((error as Error).stack))
    process.exitCode = error instanceof Problem ? error.exitCode : 1
  }
}
