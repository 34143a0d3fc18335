import { spawn } from 'node:child_process'
import { readLines } from '../../../proxy/cluster/local/lines.ts'

/** The last lines are enough to see why a build failed. */
const KEPT_LINES = 20

export interface RunOptions {
  cwd: string
  env?: Record<string, string>
}

/**
 * Runs a program of a recipe to its end.
 * @returns what it wrote to stdout
 * @throws Error with the last lines that it wrote
 */
export async function run(program: string, args: string[], { cwd, env }: RunOptions): Promise<string> {
  // GOFLAGS and GOWORK of the person at the terminal are meant for other code.
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, GOFLAGS: '', GOWORK: 'off', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const lines: string[] = []
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  readLines(child.stderr, (line) => {
    lines.push(line)
    if (lines.length > KEPT_LINES) lines.shift()
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject).on('close', resolve)
  const code = await promise
  if (code === 0) return output
  const said = lines.filter((line) => !line.startsWith('go: downloading')).join('\n')
  throw new Error(`${program} ${args[0]} ended with exit code ${code}:\n${said}`)
}

/** "go1.26.8 linux amd64": what of the compiler decides the outcome, as it would be used in this module. */
export async function goVersion(cwd: string): Promise<string> {
  const output = await run('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], { cwd })
  return output.trim().split('\n').join(' ')
}
