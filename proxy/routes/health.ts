import { setTimeout } from 'node:timers/promises'
import { Type } from 'typebox'
import { RexecError } from '../../common/errors.ts'
import type { Readiness as State } from '../../common/metrics.ts'
import type { App } from '../app.ts'
import { answers } from '../schemas.ts'
import type { Service } from '../service.ts'

const Health = Type.Object({ status: Type.Literal('ok') })
const Readiness = Type.Object({
  status: Type.Enum(['ready', 'not ready', 'closing']),
  checks: Type.Record(Type.String(), Type.String(), { description: '"ok", or the code of what is wrong.' }),
})

/** As the API server of Kubernetes takes it: a check that is shown and does not count. */
const ReadyQuery = Type.Object(
  {
    exclude: Type.Optional(
      Type.Enum(['identity', 'cluster'], { description: 'A check that does not count.' }),
    ),
  },
  { additionalProperties: false },
)

/** GET /healthz: the process answers. GET /readyz: users can be told apart and servers can be started, and go on so. */
export function addHealth(app: App, { identities, cluster, settings, closing, logger }: Service): void {
  const { readySeconds, readyAgeSeconds } = settings.limits
  const checks = { identity: () => identities.check(), cluster: () => cluster.check() }
  const said = new Map<string, string | undefined>()

  async function outcomes(): Promise<State['checks']> {
    const results = Object.entries(checks).map(async ([name, check]) => {
      const { outcome, error } = await outcomeOf(check, readySeconds)
      // Whoever asks learns the code; the administrator why, each time that it becomes another.
      if (error && said.get(name) !== error.message) {
        logger.warn({ check: name, code: outcome, err: error }, 'not ready')
      }
      said.set(name, error?.message)
      return [name, outcome] as const
    })
    return Object.fromEntries(await Promise.all(results))
  }

  /** Nobody proves who they are here, so many askers share one check. */
  let latest: { checks: ReturnType<typeof outcomes>; goodUntil: number } | undefined
  function shared(): ReturnType<typeof outcomes> {
    if (latest && performance.now() < latest.goodUntil) return latest.checks
    const begun = { checks: outcomes(), goodUntil: Number.POSITIVE_INFINITY }
    latest = begun
    void begun.checks.finally(() => {
      begun.goodUntil = performance.now() + readyAgeSeconds * 1000
    })
    return begun.checks
  }

  const open = { tags: ['service'], security: [] }
  app.get(
    '/healthz',
    { schema: { ...open, summary: 'Is it alive?', response: answers({ 200: Health }) } },
    () => ({
      status: 'ok' as const,
    }),
  )
  app.get(
    '/readyz',
    {
      schema: {
        ...open,
        summary: 'Can it work?',
        querystring: ReadyQuery,
        response: answers({ 200: Readiness, 503: Readiness }),
      },
    },
    async ({ query: { exclude } }, reply) => {
      if (closing?.aborted) return reply.code(503).send({ status: 'closing', checks: {} })
      const checks = await shared()
      const ready = Object.entries(checks).every(([name, result]) => result === 'ok' || name === exclude)
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', checks })
    },
  )
}

interface Outcome {
  /** "ok", or the code of what is wrong. */
  outcome: string
  /** Why, as it is known inside. */
  error?: Error
}

async function outcomeOf(check: () => Promise<void>, seconds: number): Promise<Outcome> {
  const timer = new AbortController()
  const late = setTimeout(seconds * 1000, 'timeout', { signal: timer.signal })
  try {
    const outcome = await Promise.race([check(), late])
    return outcome ? { outcome, error: new Error(`no answer in ${seconds} s`) } : { outcome: 'ok' }
  } catch (error) {
    if (!(error instanceof RexecError)) return { outcome: 'internal', error: error as Error }
    // Without a cause there is nothing more to say than the code, as while a proxy starts.
    return { outcome: error.code, ...(error.cause instanceof Error && { error: error.cause }) }
  } finally {
    timer.abort()
  }
}
