import { Problem } from '../bin/problem.ts'
import { endChildren } from './child.ts'

/** Progress, apart from the result on stdout. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/**
 * Runs a program of the bench; what a person can put right is shown as a sentence. However it ends, but by SIGKILL, all
 * that it has started ends with it.
 */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endChildren()
      process.kill(process.pid, signal) // now without a handler
    })
  }
  process.once('exit', endChildren) // such as when nobody reads its output any more
  try {
    await main()
  } catch (error) {
    say(error instanceof Problem ? error.message : String((error as Error).stack))
    process.exitCode = error instanceof Problem ? error.exitCode : 1
  }
}
