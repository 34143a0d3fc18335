import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { Api } from './api.ts'
import { isNoRight, isPolicyRefusal } from './api-error.ts'
import type { KubernetesSettings } from './settings.ts'

/** How long it is relied on that the policies are in force. */
const REMEMBER_MS = 300_000

/** Neither is made, only tried (dryRun): a namespace that is not of rexec, a secret in one that never is. */
const NAME = 'rexec-is-not-confined'
const FORBIDDEN: ((api: Pick<Api, 'core'>) => Promise<unknown>)[] = [
  (api) => api.core.createNamespace({ body: { metadata: { name: NAME } }, dryRun: 'All' }),
  (api) =>
    api.core.createNamespacedSecret({
      namespace: 'default',
      body: { metadata: { name: NAME } },
      dryRun: 'All',
    }),
]

const OPEN =
  'The service account may write to every namespace of the cluster: apply the admission policies of the chart (docs/admin/rbac.md).'
const UNKNOWN = 'whether admission policies confine the service account could not be found out'

/**
 * Whether the own account is kept from writing to what is not its own: by the chart's admission policies, or since it
 * has no such right. Undefined when that cannot be found out.
 */
export async function isConfined(api: Pick<Api, 'core'>): Promise<boolean | undefined> {
  const answers = await Promise.all(
    FORBIDDEN.map((attempt) =>
      attempt(api).then(
        () => false,
        (error) => isPolicyRefusal(error) || isNoRight(error) || undefined,
      ),
    ),
  )
  if (answers.includes(false)) return false
  return answers.includes(undefined) ? undefined : true
}

/** Rejects unless the account is known to be confined. @throws cluster_unavailable */
export type AssertConfined = () => Promise<void>

/**
 * With the rights of mode "cluster" and without the policies, whoever takes over the proxy has the whole cluster. Helm
 * makes the rights first, and the policies of another tool may be missing for ever: so nothing is started, and the proxy
 * is not ready, before the API server has been seen to refuse. What it does not say later counts as before.
 */
export function createAssertConfined(
  api: Pick<Api, 'core'>,
  { requireConfinement, namespaces: { mode } }: Pick<KubernetesSettings, 'requireConfinement' | 'namespaces'>,
  logger: Logger,
): AssertConfined {
  let confined: boolean | undefined
  let goodUntil = 0
  let asking: Promise<void> | undefined

  async function ask(): Promise<void> {
    const was = confined
    confined = (await isConfined(api)) ?? confined
    if (confined || !requireConfinement) goodUntil = performance.now() + REMEMBER_MS
    if (confined === false && was !== false) logger[requireConfinement ? 'error' : 'warn'](OPEN)
  }

  return async () => {
    // Rights in given namespaces alone need no policy.
    if (mode === 'given') return
    if (performance.now() >= goodUntil) {
      asking ??= ask().finally(() => {
        asking = undefined
      })
      await asking
    }
    if (confined || !requireConfinement) return
    const cause = new Error(confined === false ? OPEN : UNKNOWN)
    throw new RexecError('cluster_unavailable', undefined, { cause })
  }
}
