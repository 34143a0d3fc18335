import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino'

export type { Logger } from 'pino'

/** Fields that may hold a secret, wherever they stand in a logged object (two levels deep). */
const SECRET_FIELDS = ['token', 'authorization', 'cookie', 'credential', 'password', 'secret', 'access_token']

/**
 * The last net, for texts of other programs: a JWT, signed or sealed, what follows something named like a secret, cookies,
 * user and password in a URL. Each pattern takes time in proportion to the text, whatever it holds.
 */
const SECRETS_IN_TEXT: [pattern: RegExp, replacement: string][] = [
  [/(?<![\w-])eyJ[\w-]+(?:\.[\w-]*){2,4}/g, '[redacted]'],
  [/(cookie["']?\s*[=:]\s*)[^\r\n]+/gi, '$1[redacted]'],
  [
    /((?:token|authorization|password|passwd|secret|credential|api[-_]?key)["']?\s*[=:]\s*["']?(?:(?:bearer|token|session|basic)\s+)?)[^\s"',;&]{6,}/gi,
    '$1[redacted]',
  ],
  [/(\bbearer\s+)[\w.~+/=-]{6,}/gi, '$1[redacted]'],
  [/(\/\/)[^\s/@]+(?=@)/g, '$1[redacted]'],
]

/** Replaces what looks like a secret in a text of another program (an error message, an installer's line). */
export function redact(text: string): string {
  return SECRETS_IN_TEXT.reduce((rest, [pattern, replacement]) => rest.replace(pattern, replacement), text)
}

/** Fastify and the other parts log with the same options: JSON lines, ISO times, secrets taken out. */
export function loggerOptions(level = 'info'): LoggerOptions {
  return {
    level,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
      censor: '[redacted]',
    },
    hooks: {
      // pino makes the message of an error that is logged without one.
      logMethod(args, method) {
        const [first, second] = args as unknown[]
        const error = first instanceof Error ? first : (first as { err?: unknown } | undefined)?.err
        const said = second === undefined && error instanceof Error ? [first, error.message] : args
        method.apply(
          this,
          said.map((part) => (typeof part === 'string' ? redact(part) : part)) as typeof args,
        )
      },
    },
    serializers: {
      // The path alone: a query string may hold a token. Headers and bodies are never logged.
      req: (req: { method?: string; url?: string }) => ({
        method: req.method,
        path: req.url?.split('?', 1)[0],
      }),
      res: (res: { statusCode?: number }) => ({ statusCode: res.statusCode }),
      err: (err: Error & { code?: string }) => ({
        type: err.name,
        code: err.code,
        message: redact(String(err.message)),
        stack: redact(String(err.stack ?? '')),
      }),
    },
  }
}

/** A logger of JSON lines, on stdout unless told otherwise. */
export function createLogger(
  name: string,
  options: { level?: string; destination?: DestinationStream } = {},
): Logger {
  const settings = { ...loggerOptions(options.level), base: { part: name } }
  return options.destination ? pino(settings, options.destination) : pino(settings)
}
