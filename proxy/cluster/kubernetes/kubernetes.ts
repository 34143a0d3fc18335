import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { Registry } from '../../../common/metrics.ts'
import type { ReviewToken } from '../../identity/kubernetes.ts'
import type { User } from '../../pipeline.ts'
import type { Cluster } from '../cluster.ts'
import { connect } from './api.ts'
import { asRexecError } from './api-error.ts'
import { createBaseline } from './baseline.ts'
import { createConfinement } from './confinement.ts'
import { createLaunch } from './launch.ts'
import { serverLogs } from './logs.ts'
import { createNamespaces } from './namespace.ts'
import { watchServer } from './progress.ts'
import { type Reconciler, startReconciler } from './reconciler.ts'
import { createMissingRights } from './rights.ts'
import type { KubernetesSettings } from './settings.ts'
import { createStop } from './stop.ts'
import { createServerStore } from './store.ts'
import { createTokenReview } from './token-review.ts'
import type { Knows } from './vanished.ts'

export interface KubernetesClusterOptions {
  settings: KubernetesSettings
  /** Addresses for servers, such as tcp://rexec-broker:5560. */
  brokers: string[]
  logger: Logger
  registry: Registry
}

/** What there is on Kubernetes alone. */
export interface KubernetesMeans {
  reviewToken: ReviewToken
  /** From now on what nobody asks for is done by itself (reconciler.ts). */
  reconcile(knows: Knows): void
}

/**
 * Servers as Jobs, each user in a namespace. Any number of these may run against one cluster: all that they know comes
 * from the API server. Resolves at once; until everything has been read, check() and all else reject with
 * cluster_unavailable.
 * @throws SettingsError when there is no way to an API server
 */
export async function createKubernetesCluster(
  options: KubernetesClusterOptions,
): Promise<Cluster & KubernetesMeans> {
  const { settings, brokers, logger, registry } = options
  const api = connect(settings, registry)
  const store = createServerStore(api, settings, { logger, registry })
  const namespaces = createNamespaces(api, settings)
  const baseline = createBaseline(api, settings, brokers)
  const launch = createLaunch(api, settings, brokers, logger)
  const stop = createStop(api, store, settings)
  const missingRights = createMissingRights(api, settings)
  const confinement = createConfinement(api, settings, logger)
  let reconciler: Reconciler | undefined
  let synced = false
  void store.ready.then(() => {
    synced = true
    logger.info('the servers that run have been read')
  })

  function assertSynced(): void {
    if (!synced) throw new RexecError('cluster_unavailable', 'Its servers have not been read yet.')
  }

  const placeOf = ({ name: owner }: User, name: string) => ({
    namespace: namespaces.nameOf(owner),
    owner,
    name,
  })

  return {
    kind: 'kubernetes',
    reviewToken: createTokenReview(api, settings),

    reconcile(knows) {
      reconciler ??= startReconciler({ api, store, settings, knows, logger, registry })
    },

    async ensureNamespace(user, noted = () => {}) {
      await confinement.assert()
      try {
        const namespace = await namespaces.ensure(user, noted)
        store.proven(namespace)
        await baseline.apply(namespace.name, noted)
        await confinement.assertWithin(namespace.name)
        return namespace
      } catch (error) {
        throw asRexecError(error)
      }
    },

    async start(namespace, server, launchOptions) {
      const { name, owner } = namespace
      if (server.user !== owner || namespaces.nameOf(owner) !== name) {
        throw new RexecError('namespace_not_owned')
      }
      assertSynced()
      store.put(await launch(namespace, server, launchOptions))
      const status = store.get(name, owner, server.name)
      // The namespace has changed hands since it was ensured, or the Job is gone again.
      if (!status) throw new RexecError('start_interrupted')
      return status
    },

    async list(user) {
      assertSynced()
      return store.list(namespaces.nameOf(user.name), user.name)
    },

    async get(user, name) {
      assertSynced()
      return store.get(namespaces.nameOf(user.name), user.name, name)
    },

    async stop(user, name) {
      assertSynced()
      await stop(namespaces.nameOf(user.name), user.name, name)
    },

    async *logs(user, name, logOptions) {
      assertSynced()
      yield* serverLogs(api, store, placeOf(user, name), logOptions)
    },

    async *watch(user, name, signal, lines = true) {
      assertSynced()
      yield* watchServer(api, store, placeOf(user, name), signal, lines)
    },

    async check() {
      assertSynced()
      const missing = await missingRights().catch((error) => {
        throw asRexecError(error)
      })
      if (missing.length > 0) {
        const cause = new Error(`the service account lacks rights: ${missing.join(', ')}`)
        throw new RexecError('cluster_unavailable', undefined, { cause })
      }
      await confinement.assert()
    },

    async close() {
      await reconciler?.close()
      await store.close()
      await api.close()
    },
  }
}
