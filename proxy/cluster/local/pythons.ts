import { execFile } from 'node:child_process'
import { access, constants, glob } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

/** The minor versions of Python 3 that workers run on. */
const MINORS = [9, 10, 11, 12, 13, 14]
/** An interpreter that does not answer in this time is left out, in milliseconds. */
const TIMEOUT = 10_000

/** Prints version, path, and whether the interpreter can make virtual environments by itself. */
const PROBE = `
import sys
from importlib.util import find_spec
print("%d.%d" % sys.version_info[:2], bool(find_spec("venv") and find_spec("ensurepip")), sys.executable)
`

/** Variables as in process.env. */
type Environment = Readonly<Record<string, string | undefined>>

export interface Python {
  /** Such as "3.11". */
  version: string
  /** Absolute path of the interpreter. */
  path: string
  /** Whether it has the modules venv and ensurepip (Debian splits them off). */
  hasVenv: boolean
}

/**
 * Interpreters on this machine that can make environments: on the PATH, from pyenv, from uv. Each is tried by running it.
 * @param env PATH, HOME and, where they are set, PYENV_ROOT and UV_PYTHON_INSTALL_DIR
 * @returns version "3.11" -> absolute path, oldest first; of several the one that comes first on the PATH
 */
export async function findPythons(env: Environment): Promise<Record<string, string>> {
  const candidates = await findCandidates(env)
  const answers = await Promise.all(candidates.map((candidate) => probePython(candidate, env)))
  const uv = (await onPath('uv', env)).length > 0
  const usable = answers.filter((python) => python !== undefined && (python.hasVenv || uv))
  const found: Record<string, string> = {}
  for (const version of MINORS.map((minor) => `3.${minor}`)) {
    const python = usable.find((candidate) => candidate?.version === version)
    if (python) found[version] = python.path
  }
  return found
}

/** Runs an interpreter to see what it is; undefined when it does not run. */
export async function probePython(program: string, env: Environment): Promise<Python | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['-I', '-c', PROBE], { env, timeout: TIMEOUT })
    const [, version, hasVenv, path] = /^(3\.\d+) (True|False) (\/.+)\n$/.exec(stdout) ?? []
    return version && path ? { version, path, hasVenv: hasVenv === 'True' } : undefined
  } catch {
    return undefined
  }
}

async function findCandidates(env: Environment): Promise<string[]> {
  const names = [...MINORS.map((minor) => `python3.${minor}`), 'python3']
  const onPaths = await Promise.all(names.map((name) => onPath(name, env)))
  const home = env.HOME ?? '/'
  const pyenv = env.PYENV_ROOT ?? join(home, '.pyenv')
  const uv = env.UV_PYTHON_INSTALL_DIR ?? join(home, '.local/share/uv/python')
  const managed: string[] = []
  for (const root of [join(pyenv, 'versions'), uv]) {
    for await (const path of glob(`*/bin/python3.{${MINORS.join(',')}}`, { cwd: root }))
      managed.push(join(root, path))
  }
  return [...onPaths.flat(), ...managed.sort()]
}

/** Where a program lies on the PATH: all places, since the first may be a shim for a version that is not there. */
async function onPath(name: string, env: Environment): Promise<string[]> {
  const paths = (env.PATH ?? '').split(delimiter).filter((folder) => folder.startsWith('/'))
  const places = await Promise.all(
    paths.map(async (folder) => {
      const path = join(folder, name)
      const runs = await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
      return runs ? [path] : []
    }),
  )
  return places.flat()
}
