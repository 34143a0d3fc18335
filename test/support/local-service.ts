import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { rexec } from './rexec-command.ts'

export interface LocalService {
  url: string
  broker: { client: string; server: string }
  pid: number
  state: string
  /** What a client of this user needs. */
  as(user: 'alice' | 'bob'): { url: string; broker: { client: string }; token: string }
  /** The log of proxy and broker so far. */
  log(): Promise<string>
  /** Resolves with the exit code after SIGTERM. */
  stop(): Promise<number | null>
}

/** A real `rexec local --json` on free ports and a fresh state folder, ended after the test. */
export async function startLocalService(t: Test): Promise<LocalService> {
  const state = await mkdtemp(join(tmpdir(), 'rexec-state-'))
  t.teardown(() => rm(state, { recursive: true, force: true }))
  const { child, firstLine, ended } = rexec(t, [
    ...['local', '--json', '--state', state],
    ...['--port', '0', '--broker-port', '0'],
  ])
  const stop = async () => {
    child.kill('SIGTERM')
    return (await ended).code
  }
  t.teardown(stop)
  const { url, broker, users } = JSON.parse(await firstLine)
  const tokens = new Map<string, string>(
    users.map(({ name, token }: Record<string, string>) => [name, token]),
  )
  return {
    url,
    broker,
    pid: child.pid!,
    state,
    as: (user) => ({ url, broker, token: tokens.get(user)! }),
    log: () => readFile(join(state, 'rexec.log'), 'utf8'),
    stop,
  }
}
