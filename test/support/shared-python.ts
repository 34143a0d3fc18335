import { ensureVenv } from '../../bin/venv.ts'

/** The Python of a cached environment with dill alone. */
export function sharedPython(python = 'python3'): Promise<string> {
  return ensureVenv('test-dill', { python, packages: ['dill==0.4.0'] })
}
