import { join } from 'node:path'
import { createSigner, generateSigningKey } from '../common/tokens.ts'
import { type Child, startChild } from './child.ts'
import type { Native } from './native.ts'

/** Tokens outlive the longest run (seconds). */
const LIFETIME = 24 * 3600
const FOLDER = import.meta.dirname

/** A broker that runs. */
export interface Peer {
  name: string
  pid: number
  /** How the load's server speaks to it. */
  server: 'echo' | 'rexec'
  clientAddress: string
  serverAddress: string
  /** Lines for the load's stdin: the exec token, and for rexec the server credential. */
  secrets: string[]
  /** Of libzmq, where the broker says it. */
  libzmq: string | undefined
  close(): Promise<void>
}

/** Every peer is shown the same exec token, so that all carry the same bytes. */
export interface Secrets {
  token: string
  credential: string
  publicKeys: string
}

export async function makeSecrets(): Promise<Secrets> {
  const { sign, publicKeys } = await createSigner(await generateSigningKey())
  const { token } = await sign('exec', { user: 'alice' }, LIFETIME)
  const { token: credential } = await sign('server', { user: 'alice', server: 'default' }, LIFETIME)
  return { token, credential, publicKeys: JSON.stringify(publicKeys) }
}

export function startZmqProxy(native: Native, { token }: Secrets): Promise<Peer> {
  return started('zmq_proxy', startChild(native.proxy, []), 'echo', [token])
}

/** rexec's broker; `flags` are options for Node. */
export function startRexec({ token, credential, publicKeys }: Secrets, flags: string[] = []): Promise<Peer> {
  const child = startChild(process.execPath, [...flags, join(FOLDER, 'broker-process.ts')], publicKeys)
  return started('rexec', child, 'rexec', [token, credential])
}

/** Naive brokers in JavaScript and Python: no checks, no limits. */
export function startZeromqJs({ token }: Secrets): Promise<Peer> {
  return started('zeromq.js', startChild(process.execPath, [join(FOLDER, 'peers', 'zeromq.ts')]), 'echo', [
    token,
  ])
}

export function startPyzmq(python: string, { token }: Secrets): Promise<Peer> {
  return started('pyzmq', startChild(python, [join(FOLDER, 'peers', 'pyzmq_router.py')]), 'echo', [token])
}

async function started(name: string, child: Child, server: Peer['server'], secrets: string[]): Promise<Peer> {
  const said = (await child.next()) as { client: string; server: string; libzmq?: string }
  return {
    name,
    pid: child.pid,
    server,
    clientAddress: said.client,
    serverAddress: said.server,
    secrets,
    libzmq: said.libzmq,
    close: child.close,
  }
}
