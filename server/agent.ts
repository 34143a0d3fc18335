import { readFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import type { AgentSettings, AgentStateLine } from '../common/agent-settings.ts'
import type { ErrorCode } from '../common/errors.ts'
import { sentence } from '../common/errors.ts'
import { type Logger, redact } from '../common/logger.ts'
import type { ServerPhase } from '../common/protocol.ts'
import { BrokerLink } from './broker-link.ts'
import { Child } from './child.ts'
import { Parent } from './parent.ts'
import { Pool } from './pool.ts'
import { listenForWorker } from './worker-socket.ts'

export interface Agent {
  /** Ends the server: running calls may go on for drainSeconds. */
  stop(reason: string): void
  /** Resolves with the exit code when everything has ended. */
  ended: Promise<number>
}

export async function startAgent(settings: AgentSettings, logger: Logger): Promise<Agent> {
  let state: { state: ServerPhase; message: string } = { state: 'installing', message: '' }
  let parent: Parent | undefined
  let resolveEnded!: (code: number) => void
  const ended = new Promise<number>((resolve) => {
    resolveEnded = resolve
  })
  const say = (line: Omit<AgentStateLine, 'event'>) => logger.info({ event: 'state', ...line })
  const pool = new Pool({
    prefork: settings.prefork,
    concurrency: settings.concurrency,
    fork: (count) => parent?.fork(count),
    kill: (pid) => parent?.kill(pid),
  })
  const setState = (next: ServerPhase, message: string) => {
    state = { state: next, message }
    for (const link of links) link.state(state)
  }
  const server: Server = await listenForWorker({
    path: settings.socket,
    onParent(socket) {
      if (parent) return undefined
      parent = new Parent(socket, settings)
      let replaced = false
      parent.on('progress', (line) => {
        const text = redact(line)
        say({ state: 'installing', message: text })
        setState('installing', text)
      })
      parent.on('replaced', () => {
        replaced = true
      })
      parent.on('serving', () => {
        pool.fill()
        say({ state: 'ready', message: '' })
        setState('ready', '')
      })
      parent.on('failed', ({ code, detail }) => fail(code as ErrorCode, redact(detail)))
      parent.on('exited', (exit) => pool.exited(exit))
      parent.on('terminating', () => stop('The server was told to stop.'))
      parent.on('gone', () => {
        parent = undefined
        if (!replaced) fail('worker_died', 'The worker ended.')
      })
      return parent.reader
    },
    onChild(socket, { pid }) {
      const child = new Child(pid, socket, dirname(settings.socket))
      pool.add(child)
      return child
    },
  })
  say({ state: 'starting', message: '' })
  const links = settings.brokers.map(
    (address) =>
      new BrokerLink({
        address,
        logger,
        credential: () => readFileSync(settings.credentialFile, 'utf8').trim(),
        info: () => ({ concurrency: settings.concurrency, state: state.state }),
        onCall: (call) => pool.submit(call),
        onCallEnd: (call) => pool.end(call),
        onRefused: (code, text) => fail('credential_refused', `${text} [${code}]`),
      }),
  )

  let stopping = false
  function finish(code: number): void {
    for (const link of links) link.close()
    pool.close()
    parent?.close()
    server.close()
    resolveEnded(code)
  }
  function fail(code: ErrorCode, detail: string): void {
    if (stopping) return
    stopping = true
    const message = sentence(code, detail)
    say({ state: 'failed', message, code })
    setState('failed', message)
    for (const call of pool.calls) call.fail(code, detail)
    setTimeout(() => finish(1), 500)
  }
  function stop(reason: string): void {
    if (stopping) return
    stopping = true
    say({ state: 'stopping', message: reason })
    const drained = Promise.all(links.map((link) => link.drain(reason)))
    const timeout = setTimeout(() => finish(0), settings.drainSeconds * 1000)
    void drained.then(() => {
      clearTimeout(timeout)
      finish(0)
    })
  }
  return { stop, ended }
}
