import { CLIENT, choosePython } from '../../bin/client.ts'
import { ensureVenv } from '../../bin/venv.ts'

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
