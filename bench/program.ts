import { Problem } from '../bin/problem.ts'

/** Progress, apart from the result on stdout. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

/** Runs a program of the bench; what a person can put right is shown as a sentence. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main()
  } catch (error) {
    say(error instanceof Problem ? error.message : String((error as Error).stack))
    process.exitCode = error instanceof Problem ? error.exitCode : 1
  }
}
