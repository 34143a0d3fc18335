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
export function addHealth(app: App, { identities, cluster, settings, closing }: Service): void {
  const { readySeconds } = settings.limits
  const checks = { identity: () => identities.check(), cluster: () => cluster.check() }

  async function outcomes(): Promise<State['checks']> {
    const results = Object.entries(checks).map(
      async ([name, check]) => [name, await outcome(check, readySeconds)] as const,
    )
    return Object.fromEntries(await Promise.all(results))
  }
  /** Nobody proves who they are here, so many askers share one check. */
  let running: ReturnType<typeof outcomes> | undefined

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
      running ??= outcomes().finally(() => {
        running = undefined
      })
      const checks = await running
      const ready = Object.entries(checks).every(([name, result]) => result === 'ok' || name === exclude)
      return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready', checks })
    },
  )
}

async function outcome(check: () => Promise<void>, seconds: number): Promise<string> {
  const timer = new AbortController()
  const late = setTimeout(seconds * 1000, 'timeout', { signal: timer.signal })
  try {
    return (await Promise.race([check(), late])) ?? 'ok'
  } catch (error) {
    return error instanceof RexecError ? error.code : 'internal'
  } finally {
    timer.abort()
  }
}
