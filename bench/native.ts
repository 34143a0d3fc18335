import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { glob, mkdir, readdir, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../bin/folders.ts'
import { Problem } from '../bin/problem.ts'

const run = promisify(execFile)
const SOURCES = join(import.meta.dirname, 'native')
const FLAGS = ['-std=c11', '-D_POSIX_C_SOURCE=200809L', '-O2', '-Wall', '-Wextra', '-pthread']
const PROGRAMS = {
  load: ['load.c', 'common.c', 'echo.c', 'rexec.c'],
  proxy: ['proxy.c'],
}

/** Paths of the compiled load generator and of zmq_proxy. */
export type Native = Record<keyof typeof PROGRAMS, string>

/**
 * Compiles the C programs with `cc` against the system's libzmq where pkg-config knows one, else against the one
 * inside the pyzmq of the interpreter `python`. Kept under `cache` by a hash of all that goes in.
 * @throws Problem a sentence that says what is missing.
 */
export async function buildNative(python: string, cache = cacheFolder('bench')): Promise<Native> {
  const libzmq = (await systemLibzmq()) ?? (await pyzmqLibzmq(python))
  const folder = join(cache, await hashOf(libzmq))
  await mkdir(folder, { recursive: true })
  const programs = Object.entries(PROGRAMS).map(async ([name, sources]) => {
    const program = join(folder, name)
    const paths = sources.map((source) => join(SOURCES, source))
    if (!(await exists(program))) await compile([...paths, ...libzmq], program)
    return [name, program] as const
  })
  return Object.fromEntries(await Promise.all(programs)) as Native
}

/** Two benches may compile at once: each into a file of its own, which then takes the name. */
async function compile(args: string[], program: string): Promise<void> {
  const unfinished = `${program}.${process.pid}`
  try {
    await run('cc', [...FLAGS, '-o', unfinished, ...args])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    throw new Problem(
      'There is no C compiler. Install one that is called "cc" (Debian: apt install gcc libc6-dev).',
    )
  }
  await rename(unfinished, program)
}

async function systemLibzmq(): Promise<string[] | undefined> {
  try {
    const { stdout } = await run('pkg-config', ['--cflags', '--libs', 'libzmq'])
    return stdout.trim().split(/\s+/)
  } catch {
    return undefined
  }
}

/** Wheels of pyzmq for Linux hold libzmq in a folder beside the package; native/pyzmq/zmq.h declares what we use. */
async function pyzmqLibzmq(python: string): Promise<string[]> {
  const { stdout } = await run(python, ['-c', 'import zmq; print(zmq.__path__[0])'])
  const folder = join(dirname(stdout.trim()), 'pyzmq.libs')
  for await (const name of glob('libzmq*.so*', { cwd: folder })) {
    return ['-I', join(SOURCES, 'pyzmq'), join(folder, name), `-Wl,-rpath,${folder}`]
  }
  throw new Problem(
    'There is no libzmq to compile against. Install it (Debian: apt install libzmq3-dev pkg-config).',
  )
}

async function hashOf(libzmq: string[]): Promise<string> {
  const hash = createHash('sha256').update([...FLAGS, ...libzmq].join('\0'))
  const names = await readdir(SOURCES, { recursive: true })
  for (const name of names.filter((each) => /\.[ch]$/.test(each)).sort())
    hash.update(await readFile(join(SOURCES, name)))
  return hash.digest('hex').slice(0, 16)
}

function exists(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  )
}
