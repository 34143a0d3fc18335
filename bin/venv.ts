import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readLines } from '../proxy/cluster/local/lines.ts'
import { acquireLock } from '../proxy/cluster/local/lock.ts'
import { type Python, probePython } from '../proxy/cluster/local/pythons.ts'
import { cacheFolder } from './folders.ts'
import { Problem } from './problem.ts'

/** How often to look whether another process has finished the same environment, in milliseconds. */
const LOOK_AGAIN = 200

export interface VenvOptions {
  /** Interpreter to make it with: a path, or a name on the PATH. */
  python?: string
  /** Requirements with exact versions. */
  packages: string[]
  /** Is told what is going on, line by line. */
  onLine?(line: string): void
}

/**
 * Finds or makes a virtual environment with these packages below the cache folder. Two processes may ask at once; a
 * broken or half-made one is made anew.
 * @returns path of its Python
 * @throws Problem a sentence: no Python, no venv module, a package that could not be fetched
 */
export async function ensureVenv(name: string, options: VenvOptions): Promise<string> {
  const { packages, onLine = () => undefined } = options
  const interpreter = await findInterpreter(options.python ?? 'python3')
  const key = JSON.stringify([interpreter.version, interpreter.path, packages])
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 16)
  const folder = join(cacheFolder('venvs'), `${name}-${hash}`)
  const python = join(folder, 'bin/python')
  if (await works(folder)) return python
  const release = await lock(`${folder}.lock`, onLine)
  try {
    if (await works(folder)) return python
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    onLine(`making a Python ${interpreter.version} environment in ${folder} (the next time it is there)`)
    await makeVenv(interpreter, folder)
    await install(python, packages, onLine)
    await writeFile(finished(folder), '')
    return python
  } finally {
    await release()
  }
}

async function findInterpreter(program: string): Promise<Python> {
  const python = await probePython(program, process.env)
  if (!python) {
    throw new Problem(
      `${program} was not found or does not run. Install Python 3.9 or newer (Debian, Ubuntu: apt install python3 python3-venv) and try again.`,
    )
  }
  if (!python.hasVenv) throw noVenvModule(python)
  return python
}

function noVenvModule({ path, version }: Python): Problem {
  return new Problem(
    `${path} has no venv module. Install it (Debian, Ubuntu: apt install python${version}-venv) and try again.`,
  )
}

async function makeVenv(python: Python, folder: string): Promise<void> {
  const { code, lines } = await run(python.path, ['-I', '-m', 'venv', folder], () => undefined)
  if (code === 0) return
  if (lines.some((line) => line.includes('ensurepip'))) throw noVenvModule(python)
  throw new Problem(`${python.path} could not make an environment: ${lines.at(-1) ?? `exit code ${code}`}`)
}

async function install(python: string, packages: string[], onLine: (line: string) => void): Promise<void> {
  const options = [
    '--disable-pip-version-check',
    '--no-input',
    '--no-color',
    '--progress-bar',
    'off',
    '--retries',
    '2',
  ]
  const args = ['-I', '-m', 'pip', 'install', ...options, ...packages]
  const { code, lines } = await run(python, args, onLine)
  if (code === 0) return
  const text = lines.join('\n')
  const missing = /(?:No matching distribution found for|satisfies the requirement) (\S+)/.exec(text)?.[1]
  if (/connection broken|NewConnectionError|ProxyError|timed out|name resolution|unreachable/i.test(text)) {
    throw new Problem(
      `${missing ?? packages.join(', ')} could not be fetched: the package index does not answer. Check the network (and PIP_INDEX_URL, HTTPS_PROXY) and try again.`,
    )
  }
  const last = lines.findLast((line) => line.startsWith('ERROR')) ?? lines.at(-1)
  throw new Problem(`pip could not install ${missing ?? packages.join(', ')}: ${last ?? `exit code ${code}`}`)
}

/** The last lines are enough to see why a program failed. */
const KEPT_LINES = 200

async function run(
  program: string,
  args: string[],
  onLine: (line: string) => void,
): Promise<{ code: number | null; lines: string[] }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    readLines(stream, (line) => {
      lines.push(line)
      if (lines.length > KEPT_LINES) lines.shift()
      onLine(line)
    })
  }
  const { promise, resolve, reject } = Promise.withResolvers<number | null>()
  child.on('error', reject).on('close', resolve)
  return { code: await promise, lines }
}

/** A file that is written last: an environment without it is not finished. */
function finished(folder: string): string {
  return join(folder, '.rexec-finished')
}

async function works(folder: string): Promise<boolean> {
  try {
    await access(finished(folder))
    return (await probePython(join(folder, 'bin/python'), {})) !== undefined
  } catch {
    return false
  }
}

async function lock(folder: string, onLine: (line: string) => void): Promise<() => Promise<void>> {
  for (let told = false; ; told = true) {
    const release = await acquireLock(folder)
    if (typeof release === 'function') return release
    if (!told) onLine(`waiting for process ${release}, which makes the same environment`)
    await sleep(LOOK_AGAIN)
  }
}
