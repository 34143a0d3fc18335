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

/** GET /healthz: the process answers. GET /readyz: users can be told apart and servers can be started, and go on so. */
export function addHealth(app: App, { identities, cluster, settings, closing }: Service): void {
  const { readySeconds } = settings.limits
  const checks = { identity: () => identities.check(), cluster: () => cluster.check() }

  async function readiness(): Promise<State> {
    const results = await Promise.all(
      Object.entries(checks).map(
        async ([name, check]) => [name, await outcome(check, readySeconds)] as const,
      ),
    )
    const ready = results.every(([, result]) => result === 'ok')
    return { status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(results) }
  }
  /** Nobody proves who they are here, so many askers share one check. */
  let running: ReturnType<typeof readiness> | undefined

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
    { schema: { ...open, summary: 'Can it work?', response: answers({ 200: Readiness, 503: Readiness }) } },
    async (_request, reply) => {
      if (closing?.aborted) return reply.code(503).send({ status: 'closing', checks: {} })
      running ??= readiness().finally(() => {
        running = undefined
      })
      const state = await running
      return reply.code(state.status === 'ready' ? 200 : 503).send(state)
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
