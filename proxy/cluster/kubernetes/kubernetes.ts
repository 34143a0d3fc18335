import { RexecError } from '../../../common/errors.ts'
import type { Logger } from '../../../common/logger.ts'
import type { Registry } from '../../../common/metrics.ts'
import type { User } from '../../pipeline.ts'
import type { Cluster } from '../cluster.ts'
import { connect } from './api.ts'
import { asRexecError } from './api-error.ts'
import { createBaseline } from './baseline.ts'
import { createLaunch } from './launch.ts'
import { serverLogs } from './logs.ts'
import { createNamespaces } from './namespace.ts'
import { watchServer } from './progress.ts'
import { createMissingRights } from './rights.ts'
import type { KubernetesSettings } from './settings.ts'
import { createStop } from './stop.ts'
import { createServerStore } from './store.ts'

export interface KubernetesClusterOptions {
  settings: KubernetesSettings
  /** Addresses for servers, such as tcp://rexec-broker:5560. */
  brokers: string[]
  logger: Logger
  registry: Registry
}

/**
 * Servers as Jobs, each user in a namespace. Any number of these may run against one cluster: all that they know comes
 * from the API server. Resolves at once; until everything has been read, check() and all else reject with
 * cluster_unavailable.
 * @throws SettingsError when there is no way to an API server
 */
export async function createKubernetesCluster(options: KubernetesClusterOptions): Promise<Cluster> {
  const { settings, brokers, logger, registry } = options
  const api = connect(settings, registry)
  const store = createServerStore(api, settings, { logger, registry })
  const namespaces = createNamespaces(api, settings)
  const baseline = createBaseline(api, settings, brokers)
  const launch = createLaunch(api, settings, brokers, logger)
  const stop = createStop(api, store, settings)
  const missingRights = createMissingRights(api, settings)
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

    async ensureNamespace(user) {
      try {
        const namespace = await namespaces.ensure(user)
        store.proven(namespace)
        await baseline.apply(namespace.name)
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

    async *watch(user, name, signal) {
      assertSynced()
      yield* watchServer(api, store, placeOf(user, name), signal)
    },

    async check() {
      assertSynced()
      const missing = await missingRights().catch((error) => {
        throw asRexecError(error)
      })
      if (missing.length === 0) return
      const cause = new Error(`the service account lacks rights: ${missing.join(', ')}`)
      throw new RexecError('cluster_unavailable', undefined, { cause })
    },

    async close() {
      await store.close()
      await api.close()
    },
  }
}
