import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LocalService } from './local.ts'

/**
 * Says where everything is: one line of JSON on stdout and nothing else there, or for a person, with lines to paste
 * into Python.
 */
export async function announce(service: LocalService, json: boolean): Promise<void> {
  const { url, broker, users } = service
  if (json) {
    process.stderr.write(`rexec: no isolation: for trying out only. Log: ${service.logFile}\n`)
    process.stdout.write(`${JSON.stringify({ url, broker, users })}\n`)
    return
  }
  const requirements = await writeRequirements(service)
  const { hostname, port } = new URL(broker.client)
  const versions = Object.keys(service.pythons)
  process.stdout.write(`
NO ISOLATION: functions run as you, with all that you may do. For trying out only.

  service   ${url}   (${url}/docs)
  broker    ${broker.client} for clients, ${broker.server} for servers
  Python    ${versions.join(', ')}
  state     ${service.state}
  log       ${service.logFile}

  user      token
${users.map(({ name, token }) => `  ${name.padEnd(9)} ${token}`).join('\n')}

Paste into Python of one of these versions (after: pip install scidx-rexec==0.1.0 requests):

import sys; from rexec.client_api import remote_func
remote_func.set_api_url("${url}/spawn"); remote_func.set_remote_addr("${hostname}"); remote_func.set_remote_port("${port}")
remote_func.set_environment("${requirements}/python%d.%d.txt" % sys.version_info[:2], "${users[0]!.token}")

Then: remote_func(lambda: __import__("os").getpid())()
Ctrl-C ends the service and its servers.
`)
}

/** A requirements file for each Python, since a server must have the client's version. Returns their folder. */
async function writeRequirements({ state, pythons }: LocalService): Promise<string> {
  const folder = join(state, 'requirements')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const version of Object.keys(pythons)) {
    await writeFile(
      join(folder, `python${version}.txt`),
      `# A server's environment: its Python version, then one requirement per line.\npython==${version}\n`,
    )
  }
  return folder
}
