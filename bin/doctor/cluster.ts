import { RexecError } from '../../common/errors.ts'
import { Registry } from '../../common/metrics.ts'
import { type Api, connect } from '../../proxy/cluster/kubernetes/api.ts'
import { asRexecError, isNoRight } from '../../proxy/cluster/kubernetes/api-error.ts'
import { isConfined, isConfinedWithin } from '../../proxy/cluster/kubernetes/confinement.ts'
import { openConnection } from '../../proxy/cluster/kubernetes/connection.ts'
import { loadConfig } from '../../proxy/cluster/kubernetes/kubeconfig.ts'
import { ownLabels, selectorOf } from '../../proxy/cluster/kubernetes/names.ts'
import { createNamespaces } from '../../proxy/cluster/kubernetes/namespace.ts'
import { readPullSecrets } from '../../proxy/cluster/kubernetes/pull-secrets.ts'
import { createMissingRights, excessRights } from '../../proxy/cluster/kubernetes/rights.ts'
import type { KubernetesSettings } from '../../proxy/cluster/kubernetes/settings.ts'
import { createTokenReview } from '../../proxy/cluster/kubernetes/token-review.ts'
import { type Check, type Finding, fail, ok, reasonOf, warn } from './check.ts'
import { clockOf } from './clock.ts'

/** Native sidecars and ValidatingAdmissionPolicy are on from this minor version of Kubernetes 1. */
const OLDEST_MINOR = 30
/** Namespaces in mode given are looked at; of more, the first ones. */
const MAX_NAMESPACES = 50
const RIGHTS = 'Apply the rights of the mode that the settings name (docs/admin/rbac.md).'

/** What the API server lets the proxy's account do, and what it should keep it from. Nothing is written. */
export function clusterChecks(settings: KubernetesSettings, authenticators: readonly string[]): Check[] {
  const { mode } = settings.namespaces
  const check = (name: string, run: Check['run'], todo?: string): Check => ({
    group: 'cluster',
    name,
    run,
    ...(todo && { todo }),
  })
  /** With a connection of its own, since each check ends when it likes. */
  const asking =
    (look: (api: Api) => Promise<Finding | Finding[]>): Check['run'] =>
    async () => {
      const api = connect(settings, new Registry())
      try {
        return await look(api)
      } finally {
        await api.close()
      }
    }

  return [
    check(
      'api-server',
      () => apiServer(settings),
      'Is this a pod with a service account and its token, or is cluster.kubernetes.kubeconfig set? Does a NetworkPolicy let it reach the API server?',
    ),
    check(
      'rights',
      asking(async (api) => {
        const missing = await createMissingRights(api, settings)()
        if (missing.length === 0) return ok(`the account has the rights that mode "${mode}" needs`)
        return fail(`the account lacks rights: ${missing.join(', ')}`, RIGHTS)
      }),
    ),
    check(
      'dangerous-rights',
      asking(async (api) => {
        const excess = await excessRights(api)
        if (excess.length === 0)
          return ok('the account has none of the rights that would make it somebody else')
        return warn(
          `the account has rights in the whole cluster that rexec never needs: ${excess.join(', ')}`,
          'Run the proxy as a service account of its own, with the rights of docs/admin/rbac.md alone.',
        )
      }),
    ),
    check(
      'confinement',
      asking(async (api) => {
        let answer = ''
        const confined = await isConfined(api, ({ message }) => {
          answer = message
        })
        if (confined && (await makesAnyJob(api, settings))) {
          return fail(
            'in the namespaces of users the account may make Jobs of any shape: no admission policy keeps it from that',
            'Apply all three policies of the chart, for this account and instance (docs/admin/rbac.md).',
          )
        }
        if (confined) return ok('the account cannot write to what is not its own')
        if (confined === undefined) {
          const needed = mode === 'made' && settings.requireConfinement
          return (needed ? fail : warn)(
            `whether the account is confined could not be found out: ${answer}`,
            'Look at the admission webhooks of the cluster. If they confine the account, set cluster.kubernetes.requireConfinement to false.',
          )
        }
        return fail(
          'the account may write to every namespace of the cluster: no admission policy keeps it from that',
          'Turn on admissionPolicy in the chart, for this account and instance (docs/admin/rbac.md).',
        )
      }),
    ),
    ...(mode === 'given'
      ? [
          check(
            'namespaces',
            asking(async (api) => givenNamespaces(api, settings)),
          ),
        ]
      : []),
    ...(settings.imagePullSecrets.length > 0
      ? [
          check(
            'pull-secrets',
            asking(async (api) => pullSecrets(api, settings)),
          ),
        ]
      : []),
    ...(authenticators.includes('kubernetes')
      ? [
          check(
            'token-review',
            asking(async (api) => {
              await createTokenReview(api, settings)('none', ['rexec'])
              return ok('the account may ask whose token it is (TokenReview)')
            }),
            'The authenticator "kubernetes" needs the right to create tokenreviews (rbac.tokenReview of the chart).',
          ),
        ]
      : []),
  ]
}

async function apiServer({ kubeconfig, requestSeconds }: KubernetesSettings): Promise<Finding[]> {
  const connection = openConnection(() => loadConfig(kubeconfig, ''), requestSeconds, new Registry())
  try {
    const { text, headers } = await connection.call({ method: 'GET', path: '/version' })
    const { major, minor, gitVersion } = JSON.parse(text) as Record<string, string>
    const isOld = major === '1' && Number.parseInt(minor!, 10) < OLDEST_MINOR
    return [
      isOld
        ? fail(`Kubernetes ${gitVersion} is too old`, `Use Kubernetes 1.${OLDEST_MINOR} or newer.`)
        : ok(`Kubernetes ${gitVersion} answers`),
      clockOf(headers, 'the API server'),
    ]
  } finally {
    await connection.close()
  }
}

/** Asked of one namespace, which stands for all; without any, nobody can tell. */
async function makesAnyJob(
  api: Api,
  { instance, namespaces: { mode } }: KubernetesSettings,
): Promise<boolean> {
  if (mode === 'given') return false
  const labelSelector = selectorOf(ownLabels(instance))
  const list = await api.core.listNamespace({ labelSelector, limit: 1 }).catch((error) => {
    // Whoever may not look may not write either; the check of rights says so.
    if (!isNoRight(error)) throw error
  })
  const name = list?.items[0]?.metadata?.name
  return name !== undefined && (await isConfinedWithin(api, name, instance)) === false
}

/** They are read as at a start, since only that shows that they can be copied. */
async function pullSecrets(api: Api, settings: KubernetesSettings): Promise<Finding[]> {
  return Promise.all(
    settings.imagePullSecrets.map((name) =>
      readPullSecrets(api, { ...settings, imagePullSecrets: [name] }).then(
        () => ok(`the pull secret ${name} can be copied`),
        (error) =>
          fail(
            `the pull secret ${name} cannot be copied: ${reasonOf(error instanceof RexecError ? (error.cause as Error) : error)}`,
            'Make it in the namespace of the release, and give the account the right to get it by name.',
          ),
      ),
    ),
  )
}

async function givenNamespaces(api: Api, settings: KubernetesSettings): Promise<Finding[]> {
  const namespaces = createNamespaces(api, {
    ...settings,
    // One that is being deleted is told at once.
    namespaces: { ...settings.namespaces, deletionSeconds: 0 },
  })
  const users = Object.keys(settings.namespaces.given).slice(0, MAX_NAMESPACES)
  const problems = await Promise.all(
    users.map((name) =>
      namespaces.ensure({ name, groups: [], authenticator: 'doctor' }).then(
        () => undefined,
        (error) => `${JSON.stringify(name)}: ${asRexecError(error).message}`,
      ),
    ),
  )
  const wrong = problems.filter((problem) => problem !== undefined)
  if (wrong.length === 0) return [ok(`${users.length} given namespaces are as they should be`)]
  return wrong.map((problem) =>
    fail(`the namespace of ${problem}`, 'Apply what "rexec namespaces" prints for this user.'),
  )
}
