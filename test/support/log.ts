import { createLogger, type Logger } from '../../common/logger.ts'

/** A logger that keeps its lines, at the level where everything is written. */
export function keptLog(): { logger: Logger; lines: Record<string, unknown>[]; text(): string } {
  const written: string[] = []
  const logger = createLogger('test', {
    level: 'trace',
    destination: { write: (line) => void written.push(line) },
  })
  return {
    logger,
    get lines() {
      return written.map((line) => JSON.parse(line))
    },
    text: () => written.join(''),
  }
}
