import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { AgentSettings } from '../common/agent-settings.ts'
import { createLogger } from '../common/logger.ts'
import { loadSettings, SettingsError } from '../common/settings.ts'
import { Agent } from './agent.ts'

/**
 * `rexec agent --settings FILE [--exit-with-parent]`. The option ends the agent when its stdin does, so that it does
 * not outlive a local service that was killed.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { settings: { type: 'string' }, 'exit-with-parent': { type: 'boolean' } },
  })
  if (!values.settings) throw new TypeError('Tell the agent its settings: rexec agent --settings FILE')
  const settings = readSettings(values.settings)
  const agent = new Agent(settings, createLogger('agent', { level: settings.logLevel }))
  const told = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        resolve()
        agent.terminate()
      })
    }
  })
  if (values['exit-with-parent']) process.stdin.on('close', () => agent.end()).resume()
  await agent.start()
  const exitCode = await agent.ended
  if (settings.sidecar) await told // the kubelet starts a sidecar that exits by itself again
  process.exit(exitCode)
}

/** The proxy has written them: what does not fit is most likely another version. */
function readSettings(file: string): AgentSettings {
  try {
    return loadSettings(AgentSettings, readFileSync(file, 'utf8'))
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    error.message += '\nIs this image (setting agent.image of the proxy) of the same version as the proxy?'
    throw error
  }
}
