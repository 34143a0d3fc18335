import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { AgentSettings } from '../common/agent-settings.ts'
import { createLogger } from '../common/logger.ts'
import { loadSettings } from '../common/settings.ts'
import { startAgent } from './agent.ts'

/** `rexec agent --settings FILE [--exit-with-parent]` */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { settings: { type: 'string' }, 'exit-with-parent': { type: 'boolean' } },
  })
  if (!values.settings) throw new TypeError('rexec agent needs --settings FILE')
  const settings = loadSettings(AgentSettings, readFileSync(values.settings, 'utf8'))
  const agent = await startAgent(settings, createLogger('agent', { level: settings.logLevel }))
  process.on('SIGTERM', () => agent.stop('The server was told to stop.'))
  process.on('SIGINT', () => agent.stop('The server was told to stop.'))
  if (values['exit-with-parent']) process.stdin.on('end', () => process.exit(0)).resume()
  process.exit(await agent.ended)
}
