import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { Api } from './api.ts'
import { isNoRight, isPolicyRefusal } from './api-error.ts'
import { ownLabels } from './names.ts'
import type { KubernetesSettings } from './settings.ts'

/** How long it is relied on that the policies are in force. */
const REMEMBER_MS = 300_000
/** Of what is not made, only tried (dryRun). */
const NAME = 'rexec-is-not-confined'
const tried = { dryRun: 'All' }

type Part = 'core' | 'batch'

/** Is told what was answered where it shows neither. */
type Unclear = (answer: Error) => void

/**
 * Whether the own account is kept from writing to what is not its own, a namespace and a secret: by the chart's admission
 * policies, or since it has no such right. Undefined when that cannot be found out.
 */
export async function isConfined(api: Pick<Api, 'core'>, unclear?: Unclear): Promise<boolean | undefined> {
  const metadata = { name: NAME }
  const answers = await Promise.all([
    isRefused(api.core.createNamespace({ body: { metadata }, ...tried }), unclear),
    // No namespace of rexec, and there in every cluster.
    isRefused(
      api.core.createNamespacedSecret({ namespace: 'default', body: { metadata }, ...tried }),
      unclear,
    ),
  ])
  return answers.includes(false) ? false : answers.every(Boolean) || undefined
}

/** The same of Jobs that are not of rexec's shape, within a namespace of rexec. */
export function isConfinedWithin(
  api: Pick<Api, 'batch'>,
  namespace: string,
  instance: string,
  unclear?: Unclear,
): Promise<boolean | undefined> {
  const spec = { restartPolicy: 'Never', containers: [{ name: 'any', image: 'any' }] }
  const metadata = { name: NAME, labels: ownLabels(instance) }
  const body = { metadata, spec: { suspend: true, template: { spec } } }
  return isRefused(api.batch.createNamespacedJob({ namespace, body, ...tried }), unclear)
}

async function isRefused(request: Promise<unknown>, unclear?: Unclear): Promise<boolean | undefined> {
  try {
    await request
    return false
  } catch (error) {
    if (isPolicyRefusal(error) || isNoRight(error)) return true
    unclear?.(error as Error)
    return undefined
  }
}

/**
 * With the rights of mode "cluster" and without the policies, whoever takes over the proxy has the whole cluster. Helm
 * makes the rights first, and another tool may never make the policies: so the proxy is not ready, and starts nothing,
 * before the API server has been seen to refuse. Both reject with cluster_unavailable until then.
 */
export interface Confinement {
  assert(): Promise<void>
  /** One namespace stands for all. */
  assertWithin(namespace: string): Promise<void>
}

const OPEN = {
  all: 'The service account may write to every namespace of the cluster: apply the admission policies of the chart (docs/admin/rbac.md).',
  within:
    'The service account may make Jobs of any shape: apply the admission policies of the chart (docs/admin/rbac.md).',
}
const UNKNOWN = 'whether admission policies confine the service account could not be found out'

export function createConfinement(
  api: Pick<Api, Part>,
  { requireConfinement, instance, namespaces: { mode } }: KubernetesSettings,
  logger: Logger,
): Confinement {
  // Rights in given namespaces alone need no policy.
  if (mode === 'given') return { assert: async () => {}, assertWithin: async () => {} }

  function asserting<A extends unknown[]>(
    open: string,
    look: (unclear: Unclear, ...args: A) => Promise<boolean | undefined>,
  ): (...args: A) => Promise<void> {
    let confined: boolean | undefined
    let unclear = ''
    let goodUntil = 0
    let asking: Promise<void> | undefined

    async function ask(...args: A): Promise<void> {
      const was = confined
      // What cannot be found out now counts as before.
      const note: Unclear = ({ message }) => {
        unclear = message
      }
      confined = (await look(note, ...args)) ?? confined
      if (confined || !requireConfinement) goodUntil = performance.now() + REMEMBER_MS
      if (confined === false && was !== false) logger[requireConfinement ? 'error' : 'warn'](open)
    }

    return async (...args) => {
      if (performance.now() >= goodUntil) {
        asking ??= ask(...args).finally(() => {
          asking = undefined
        })
        await asking
      }
      if (confined || !requireConfinement) return
      const cause = new Error(confined === false ? open : `${UNKNOWN}: ${unclear}`)
      throw new RexecError('cluster_unavailable', undefined, { cause })
    }
  }

  return {
    assert: asserting(OPEN.all, (unclear) => isConfined(api, unclear)),
    assertWithin: asserting(OPEN.within, (unclear, namespace: string) =>
      isConfinedWithin(api, namespace, instance, unclear),
    ),
  }
}
