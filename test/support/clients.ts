import { CLIENT, CLIENT_PYTHONS, choosePython } from '../../bin/client.ts'
import { ensureVenv } from '../../bin/venv.ts'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'

export interface Client {
  /** As PyPI has it. */
  name: string
  /** How an environment is set up with it: by remote_func.set_environment, or by ndp-ep's own method. */
  api: 'scidx-rexec' | 'ndp-ep'
  /** Of the virtual environment. */
  venv: string
  packages: string[]
}

/** The unmodified clients. requests is what scidx-rexec imports but does not declare. */
export const clients: Client[] = [
  {
    name: 'scidx-rexec 0.0.8',
    api: 'scidx-rexec',
    venv: 'client-0.0.8',
    packages: ['scidx-rexec==0.0.8', 'requests==2.32.5'],
  },
  // The demo's, so that there is one environment for both.
  { name: 'scidx-rexec 0.1.0', api: 'scidx-rexec', venv: 'client', packages: CLIENT },
  { name: 'ndp-ep 0.9.0', api: 'ndp-ep', venv: 'ndp-ep-0.9.0', packages: ['ndp-ep==0.9.0', ...CLIENT] },
]

/** The one that most tests of the service's behaviour use: the newest. */
export const client = clients[1]!

/** A Python in which the client is installed. @throws Problem what is missing: Python, its venv module, the network */
export async function clientPython({ venv, packages }: Client): Promise<string> {
  return ensureVenv(venv, { python: await choosePython(), packages })
}

/** The same for tests, which skip what the machine does not have. */
export async function findClient(client: Client): Promise<{ python: string; skip: string | false }> {
  try {
    return { python: await clientPython(client), skip: false }
  } catch (error) {
    return { python: '', skip: (error as Error).message }
  }
}

/**
 * What scidx-rexec needs on a Python for which its own pins have no wheels: all that it imports, with a later numpy than
 * dxspaces declares.
 */
const WITHOUT_DEPENDENCIES = [
  '--no-deps',
  ...CLIENT,
  ...['dill==0.4.0', 'pyzmq==26.4.0', 'packaging==25.0', 'dxspaces==0.0.8', 'numpy==2.3.4'],
  ...['urllib3==2.5.0', 'idna==3.10', 'certifi==2025.6.15', 'charset-normalizer==3.4.2'],
  ...['pydantic==2.12.3', 'pydantic-core==2.41.4', 'annotated-types==0.7.0'],
  ...['typing-extensions==4.15.0', 'typing-inspection==0.4.2'],
]

/** Pythons with which the newest client can be used here, version -> interpreter; one for 3.14 has no wheels of its pyzmq. */
export async function clientPythons(): Promise<Record<string, string>> {
  const found = Object.entries(await findPythons(process.env))
  return Object.fromEntries(found.filter(([version]) => [...CLIENT_PYTHONS, '3.13'].includes(version)))
}

/** The newest client on one of them. @throws Problem as clientPython */
export function clientOn(version: string, interpreter: string): Promise<string> {
  const packages = CLIENT_PYTHONS.includes(version) ? CLIENT : WITHOUT_DEPENDENCIES
  return ensureVenv(client.venv, { python: interpreter, packages })
}
