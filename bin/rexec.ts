#!/usr/bin/env node
import { version } from '../common/version.ts'
import { Problem } from './problem.ts'

const OLDEST_NODE = 24

const HELP = `Usage: rexec COMMAND [OPTIONS]

Run Python functions on servers of their own, each user apart from the others.

On this machine, for trying out (no isolation):
  demo                   show a function that prints, returns, streams, raises and is cancelled
  local                  proxy, broker and servers in the foreground, for two users, alice and bob
    --state DIR            keep keys, tokens and environments here
                           (default: \${XDG_STATE_HOME:-~/.local/state}/rexec/local)
    --port N               port of the service (default 10101; 0 = any free one)
    --broker-port N        port of the broker for clients (default 5559; 0 = any free one)
    --json                 say where everything is in one line of JSON
    --log-level LEVEL      fatal, error, warn, info, debug or trace (default info)

The parts of a service:
  proxy --settings FILE  the HTTP service
  broker --settings FILE the message router
  agent --settings FILE  runs beside the worker in a server
  init                   ask a few questions; write values for the chart, the hub's part, and the commands to run
    --out DIR              write there (default rexec-install)
    --answers FILE         answers as YAML or JSON, by the names of docs/admin/init.md; only the others are asked for
    --yes                  ask nothing: defaults for the others
    --force                replace files of an earlier time; the hub token stays
  doctor                 look at an installation and say what to do; exit code 1 if something is wrong
    --settings FILE        beside the proxy, with its variables: settings, secrets, hub, cluster, broker
    --broker-settings FILE beside a broker
    --url URL              as a user; the token is in REXEC_TOKEN or JUPYTERHUB_API_TOKEN
    --timeout SECONDS      for each check (default 10)
    --json                 for programs
  call --url URL         make a call as a user does; the token is in REXEC_TOKEN, REXEC_TOKEN_FILE or JUPYTERHUB_API_TOKEN
    --profile NAME         of the server that it starts and stops (default: the user's first)
    --python VERSION       its Python (default: the profile's last)
    --timeout SECONDS      for all of it (default 300)
  healthcheck [URL]      is a proxy or broker here alive? (default: the usual ports and prefix)
  keys --out DIR         make the keys that proxy and broker need
  namespaces --settings FILE USER...
                         print what gives users their namespaces where an administrator makes them
    --service-account NAME the proxy's (default rexec-proxy)

  --help                 show this
  --version              show the version

Settings: docs/reference/settings.md. Errors: docs/reference/errors.md.
`

/** Loaded when asked for, so that no command pays for another's modules. */
const COMMANDS: Record<string, () => Promise<{ main(args: string[]): Promise<void> }>> = {
  local: () => import('./local.ts'),
  demo: () => import('./demo.ts'),
  proxy: () => import('../proxy/main.ts'),
  broker: () => import('../broker/main.ts'),
  agent: () => import('../server/main.ts'),
  healthcheck: () => import('./healthcheck.ts'),
  keys: () => import('./keys.ts'),
  init: () => import('./init.ts'),
  doctor: () => import('./doctor.ts'),
  call: () => import('./call.ts'),
  namespaces: () => import('./namespaces.ts'),
}

async function run([command, ...args]: string[]): Promise<void> {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE)
    throw new Problem(`rexec needs Node.js ${OLDEST_NODE} or newer; this is ${process.versions.node}.`)
  if (command === undefined) throw new Problem('Say which command to run. "rexec --help" lists them.', 2)
  if (command === '--help' || command === '-h' || args.includes('--help')) process.stdout.write(HELP)
  else if (command === '--version') process.stdout.write(`${version}\n`)
  else if (Object.hasOwn(COMMANDS, command)) await (await COMMANDS[command]!()).main(args)
  else {
    const names = Object.keys(COMMANDS).join(', ')
    throw new Problem(`There is no command ${JSON.stringify(command)}. The commands are ${names}.`, 2)
  }
}

/** What a person can put right is said in a sentence; anything else is a fault of ours and keeps its stack. */
function explain(error: Error & { code?: string }): { text: string; exitCode: number } {
  if (error instanceof Problem) return { text: error.message, exitCode: error.exitCode }
  if (error.code?.startsWith('ERR_PARSE_ARGS_')) {
    const [sentence] = error.message.split('. ', 1)
    return { text: `${sentence}. "rexec --help" lists the options.`, exitCode: 2 }
  }
  const isSentence = error.name === 'SettingsError' || error.name === 'RexecError'
  return { text: isSentence ? error.message : (error.stack ?? String(error)), exitCode: 1 }
}

await run(process.argv.slice(2)).catch((error: Error) => {
  const { text, exitCode } = explain(error)
  process.stderr.write(`rexec: ${text}\n`)
  process.exitCode = exitCode
})
