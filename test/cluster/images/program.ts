import { spawn } from 'node:child_process'

/** Runs a program to its end. @returns its stdout @throws Error with the end of what it wrote */
export async function runProgram(
  program: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let all = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    stdout += chunk
    all += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    all += chunk
  })
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject).on('close', resolve)
  const code = await promise
  if (code === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} ended with exit code ${code}:\n${all.slice(-2000)}`)
}

/**
 * Runs a program in namespaces of its own for mounts and processes: what it mounts and starts goes with it, and it goes
 * with this process.
 */
export function runAlone(command: string[], options?: { env?: NodeJS.ProcessEnv }): Promise<string> {
  const alone = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
  return runProgram('setpriv', ['--pdeathsig', 'KILL', ...alone, ...command], options)
}
