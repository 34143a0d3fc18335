/**
 * The broker in a process of its own, as in production. Reads the public keys (JSON) from stdin, prints where it
 * listens and runs until SIGTERM.
 */
import { text } from 'node:stream/consumers'
import { createBroker } from '../broker/broker.ts'
import { BrokerSettings } from '../broker/settings.ts'
import { RexecError } from '../common/errors.ts'
import { createLogger } from '../common/logger.ts'
import { createRegistry } from '../common/metrics.ts'
import { checkSettings } from '../common/settings.ts'
import { createVerifier } from '../common/tokens.ts'

const broker = await createBroker({
  settings: checkSettings(BrokerSettings, { clients: { port: 0 }, servers: { port: 0 }, drainSeconds: 0 }),
  verify: createVerifier(JSON.parse(await text(process.stdin))),
  // The load shows exec tokens, which need no proxy.
  identify: () => Promise.reject(new RexecError('token_invalid')),
  reviewServer: async () => undefined,
  logger: createLogger('broker', { level: 'warn' }),
  registry: createRegistry(),
})
process.stdout.write(`${JSON.stringify({ client: broker.clientAddress, server: broker.serverAddress })}\n`)
process.once('SIGTERM', () => void broker.close())
