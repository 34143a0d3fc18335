import { RexecError } from '../../common/errors.ts'
import { redact } from '../../common/logger.ts'

/** How something is: as it should be, perhaps not, or so that it cannot work. */
export type Level = 'ok' | 'warn' | 'fail'

export interface Finding {
  level: Level
  /** What was found, as a sentence without its full stop. */
  what: string
  /** What to do about it. */
  todo?: string
}

/** One question about an installation. It depends on no other one, and rejects with what it could not find out. */
export interface Check {
  /** Checks of one group are printed together, in their order. */
  group: string
  /** Short name, stable, for whoever reads the JSON. */
  name: string
  /** What to do when it rejects or takes too long. */
  todo?: string
  run(signal: AbortSignal): Promise<Finding | Finding[]>
}

export interface Result extends Finding {
  group: string
  check: string
}

export const ok = (what: string): Finding => ({ level: 'ok', what })
export const warn = (what: string, todo?: string): Finding => ({ level: 'warn', what, ...(todo && { todo }) })
export const fail = (what: string, todo?: string): Finding => ({ level: 'fail', what, ...(todo && { todo }) })

/** For a check that minds its signal and says itself what had no answer in time. */
const GRACE_MS = 500

/** Runs all checks at once. After `seconds` each one's signal aborts; one that goes on nevertheless has failed. */
export async function runChecks(checks: readonly Check[], seconds: number): Promise<Result[]> {
  const results = await Promise.all(
    checks.map(async (check) => {
      const { group, name } = check
      const findings = await outcome(check, seconds)
      return [findings].flat().map((finding) => ({
        group,
        check: name,
        ...finding,
      }))
    }),
  )
  return results.flat()
}

async function outcome({ name, run, todo }: Check, seconds: number): Promise<Finding | Finding[]> {
  const timer = new AbortController()
  const late = Promise.withResolvers<Finding>()
  const noAnswer = fail(`${name}: no answer after ${seconds} s`, todo)
  const timeouts = [
    setTimeout(() => timer.abort(), seconds * 1000),
    setTimeout(() => late.resolve(noAnswer), seconds * 1000 + GRACE_MS),
  ]
  try {
    return await Promise.race([run(timer.signal), late.promise])
  } catch (error) {
    return timer.signal.aborted ? noAnswer : fail(`${name}: ${reasonOf(error)}`, todo)
  } finally {
    for (const timeout of timeouts) clearTimeout(timeout)
    timer.abort()
  }
}

/** The innermost reason in words: fetch() wraps that of the connection. */
export function reasonOf(error: unknown): string {
  const { message, code, cause } = error as NodeJS.ErrnoException
  const inner = error instanceof RexecError ? undefined : (cause as NodeJS.ErrnoException | undefined)
  if (inner?.message || inner?.code) return reasonOf(inner)
  return NETWORK[code ?? ''] ?? redact(message || code || 'unknown reason')
}

const UNTRUSTED = 'its certificate is not trusted here (NODE_EXTRA_CA_CERTS names a file with more to trust)'

const NETWORK: Record<string, string> = {
  ENOTFOUND: 'the name is not known (DNS)',
  EAI_AGAIN: 'the name cannot be looked up (DNS does not answer)',
  ECONNREFUSED: 'nothing listens there (connection refused)',
  ECONNRESET: 'the connection was cut off',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ETIMEDOUT: 'no connection in time: something on the way drops it, such as a NetworkPolicy or firewall',
  UND_ERR_CONNECT_TIMEOUT:
    'no connection in time: something on the way drops it, such as a NetworkPolicy or firewall',
}
