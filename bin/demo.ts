import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs, styleText } from 'node:util'
import { MARKER } from '../proxy/cluster/local/processes.ts'
import { CLIENT, choosePython } from './client.ts'
import { stateFolder } from './folders.ts'
import { type LocalService, startLocal } from './local.ts'
import { Problem } from './problem.ts'
import { untilTold } from './signals.ts'
import { ensureVenv } from './venv.ts'

const EXAMPLE = join(import.meta.dirname, '../examples/demo.py')
/** The example must be done after this time, in milliseconds. The first run installs packages. */
const PATIENCE = 300_000

/** `rexec demo`: the unmodified client against a service of its own on this machine. */
export async function main(args: string[]): Promise<void> {
  parseArgs({ args, options: {} })
  const stop = new AbortController()
  void untilTold().then(() => stop.abort())

  heading('The client')
  const python = await ensureVenv('client', {
    python: await choosePython(),
    packages: CLIENT,
    onLine: progress.show,
  })
  progress.clear()
  say(`${CLIENT[0]} from PyPI, unmodified`)

  heading('The service: proxy and broker')
  const service = await startLocal({ state: stateFolder('demo'), port: 0, brokerPort: 0 })
  try {
    say(service.url)
    say(`${service.broker.client}, in process ${process.pid}`)
    await runExample(python, service, stop.signal)
  } finally {
    await service.close()
  }

  heading('What next')
  say('npx rexec local            the same service for functions of your own; it prints what to paste')
  say('examples/demo.py           the functions that you have just seen')
  say('docs/user/quickstart.md    your own function and requirements, step by step')
}

/** @throws Problem when the example did not come to its good end */
async function runExample(
  python: string,
  { url, broker, users, state }: LocalService,
  signal: AbortSignal,
): Promise<void> {
  const child = spawn(python, ['-u', EXAMPLE], {
    stdio: ['ignore', 'inherit', 'inherit'],
    // The token travels in the environment: command lines are there for all to read.
    env: {
      ...process.env,
      REXEC_URL: url,
      REXEC_BROKER: new URL(broker.client).host,
      REXEC_TOKEN: users[0]!.token,
      // A client that a kill -9 leaves waiting is ended by the next demo.
      [MARKER]: join(state, 'client'),
    },
    timeout: PATIENCE,
    killSignal: 'SIGKILL',
    signal,
  })
  const end = Promise.withResolvers<string | undefined>()
  child.on('error', (error) => end.resolve(signal.aborted ? 'it was stopped' : error.message))
  child.on('close', (code, killed) => {
    if (code === 0) end.resolve(undefined)
    else if (signal.aborted) end.resolve('it was stopped')
    else end.resolve(killed ? `it was ended by ${killed}` : `exit code ${code}`)
  })
  const failure = await end.promise
  if (failure)
    throw new Problem(
      `The demo did not come to its end: ${failure}. The logs (rexec.log, server.log) are in ${state}.`,
    )
}

const onTerminal = Boolean(process.stdout.isTTY)

function heading(text: string): void {
  // styleText leaves the colour out where NO_COLOR or the stream says so.
  process.stdout.write(`\n${styleText(['bold', 'cyan'], `== ${text}`, { stream: process.stdout })}\n`)
}

function say(text: string): void {
  process.stdout.write(`   ${text}\n`)
}

/** What an installer says: on one line that is overwritten; where that is no terminal, its first line alone. */
const progress = {
  lines: 0,
  show(line: string): void {
    progress.lines += 1
    if (onTerminal) process.stdout.write(`\r\x1b[K   ${line.slice(0, process.stdout.columns - 4)}`)
    else if (progress.lines === 1) say(line)
  },
  clear(): void {
    if (onTerminal) process.stdout.write('\r\x1b[K')
  },
}
