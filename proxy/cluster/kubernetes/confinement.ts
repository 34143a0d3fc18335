import type { Logger } from '../../../common/logger.ts'
import type { Api } from './api.ts'
import { isNoRight, isPolicyRefusal } from './api-error.ts'

/** No namespace of rexec; it is not made, only tried (dryRun). */
const FOREIGN = { metadata: { name: 'rexec-is-not-confined' } }

/**
 * Whether the own account is kept from writing to what is not its own: by the chart's admission policies, or since it
 * has no such right. Undefined when that cannot be found out.
 */
export async function isConfined(api: Pick<Api, 'core'>): Promise<boolean | undefined> {
  try {
    await api.core.createNamespace({ body: FOREIGN, dryRun: 'All' })
    return false
  } catch (error) {
    return isPolicyRefusal(error) || isNoRight(error) || undefined
  }
}

/** With the rights of mode "cluster" and without the policies, whoever takes over the proxy has the whole cluster. */
export async function warnUnlessConfined(api: Pick<Api, 'core'>, logger: Logger): Promise<void> {
  if ((await isConfined(api)) !== false) return
  logger.warn(
    'The service account may write to every namespace of the cluster: apply the admission policies of the chart (docs/admin/rbac.md).',
  )
}
