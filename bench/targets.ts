import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Child, startChild } from './child.ts'

const PYTHON = join(import.meta.dirname, 'python')
const REXEC = join(import.meta.dirname, '..', 'bin', 'rexec.ts')
const LOCAL = ['--port', '0', '--broker-port', '0', '--json']
/** Of the server: calls that run at once. */
const CONCURRENCY = 4

export type Name = 'hop' | 'rexec'

/** What the client is told to do (python/client.py). */
export interface Job {
  /** Bytes of argument and result; 0 is a function that does nothing. */
  bytes: number
  threads: number
  /** Calls of a round, of all threads together: a round takes about a second. */
  calls: number
  /** Seconds after each call. */
  pause: number
}

export interface Figures {
  /** For all calls. */
  seconds: number
  /** Seconds of each. */
  latencies: number[]
}

export interface Targets {
  /** The same job for the bare hop and for rexec. */
  contenders(job: Job): Record<Name, () => Promise<Figures>>
  /** The process above proxy, broker and servers. */
  rexecPid: number
  close(): Promise<void>
}

/** Where the client is sent, with the token to show. */
interface Target {
  host: string
  port: string
  token: string
}

/** Starts `rexec local`, the bare hops and one client that is sent to either, all on loopback. */
export async function startTargets(python: string): Promise<Targets> {
  const state = await mkdtemp(join(tmpdir(), 'rexec-bench-'))
  const children: Child[] = []
  const start = (command: string, args: string[]): Child => {
    const child = startChild(command, args)
    children.push(child)
    return child
  }
  const close = async () => {
    await Promise.all(children.map((child) => child.close()))
    await rm(state, { recursive: true, force: true })
  }
  const hop = async (way: string) => {
    const { client } = (await start(python, [join(PYTHON, 'hop.py'), way]).next()) as { client: string }
    return targetOf(client)
  }
  try {
    const answering = await hop('answer')
    const running = await hop('run')
    const local = start(process.execPath, [REXEC, 'local', '--state', state, ...LOCAL])
    const rexec = await startServer(local, python)
    const client = start(python, [join(PYTHON, 'client.py')])
    const run = async (target: Target, job: Job) => {
      client.tell(JSON.stringify({ ...target, ...job }))
      return (await client.next()) as Figures
    }
    return {
      contenders: (job) => ({
        hop: () => run(job.bytes ? running : answering, job),
        rexec: () => run(rexec, job),
      }),
      rexecPid: local.pid,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Asks `rexec local` for a server of the client's own Python version; the first call then waits for it. */
async function startServer(local: Child, python: string): Promise<Target> {
  const { url, broker, users } = (await local.next()) as {
    url: string
    broker: { client: string }
    users: { name: string; token: string }[]
  }
  const token = users[0]!.token
  const { stdout } = await promisify(execFile)(python, [
    '-c',
    'import sys; print("%d.%d" % sys.version_info[:2])',
  ])
  const response = await fetch(`${url}/api/v1/servers`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ python: stdout.trim(), concurrency: CONCURRENCY }),
  })
  if (!response.ok) throw new Error(`The server did not start: ${await response.text()}`)
  return targetOf(broker.client, token)
}

function targetOf(address: string, token = 'none'): Target {
  const { hostname, port } = new URL(address)
  return { host: hostname, port, token }
}
