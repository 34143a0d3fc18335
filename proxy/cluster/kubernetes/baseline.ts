import type { KubernetesObject, V1ServiceAccount } from '@kubernetes/client-node'
import type { NamespaceChange } from '../cluster.ts'
import type { Api } from './api.ts'
import { BASELINE, ownLabels } from './names.ts'
import { networkPolicy } from './network-policy.ts'
import { createOwnObjects } from './own-object.ts'
import { copyOf, readPullSecrets } from './pull-secrets.ts'
import { onceCounted } from './quota.ts'
import { type KubernetesSettings, MAX_PULL_SECRETS, SECRET_NAME } from './settings.ts'

/** What every namespace gets beside its labels, at each launch (docs/admin/namespaces.md). */
export interface Baseline {
  /**
   * Puts all of it there, and takes away what the settings have switched off; `noted` hears of what somebody had changed.
   * @throws ApiError, RexecError
   */
  apply(namespace: string, noted?: (change: NamespaceChange) => void): Promise<void>
}

/** @param brokers addresses of the brokers for servers */
export function createBaseline(api: Api, settings: KubernetesSettings, brokers: string[]): Baseline {
  const { instance, imagePullSecrets } = settings
  const own = createOwnObjects(api, instance)
  /** Namespaces without copies that an earlier process made: the settings of this one do not change. */
  const cleared = new Set<string>()

  /**
   * The account knows which secrets were copied; there is no right to list secrets. A user may be able to write names
   * there as well, so no more is asked for than could be ours.
   */
  async function clearPullSecrets(namespace: string): Promise<void> {
    if (cleared.has(namespace)) return
    const found = await own.find(account(namespace, settings))
    const old = found?.imagePullSecrets?.flatMap(({ name }) => name ?? []) ?? []
    const unwanted = [...new Set(old)]
      .filter((name) => SECRET_NAME.test(name) && !imagePullSecrets.includes(name))
      .slice(0, MAX_PULL_SECRETS)
    await Promise.all(unwanted.map((name) => own.remove(copyOf(name, namespace, instance))))
    cleared.add(namespace)
  }

  async function copyPullSecrets(namespace: string): Promise<void> {
    const secrets = await readPullSecrets(api, settings)
    const copies = secrets.map((secret) => copyOf(secret.metadata!.name!, namespace, instance, secret))
    await Promise.all(copies.map((copy) => onceCounted(() => own.put(copy))))
  }

  return {
    async apply(namespace, noted = () => {}) {
      const { wanted, unwanted } = baselineObjects(namespace, settings, brokers)
      const put = async (object: KubernetesObject) => {
        const restored = await own.put(object)
        if (restored) noted({ action: 'namespace.restore', namespace, object: object.kind! })
      }
      await Promise.all([
        clearPullSecrets(namespace).then(() => put(account(namespace, settings))),
        copyPullSecrets(namespace),
        // Every namespace has this account from the beginning. It is Kubernetes' own, so it gets no label.
        api.apply(withoutToken('default', namespace)),
        ...wanted.map(put),
        ...unwanted.map((object) => own.remove(object)),
      ])
    },
  }
}

/** Policy, quota and limits, in two lists: what must be there, and what must not. */
function baselineObjects(
  namespace: string,
  settings: KubernetesSettings,
  brokers: string[],
): { wanted: KubernetesObject[]; unwanted: KubernetesObject[] } {
  const { quota, limitRange, network } = settings
  const withSpec = (kind: string, spec: object) => ({
    apiVersion: 'v1',
    kind,
    metadata: { name: BASELINE, namespace, labels: ownLabels(settings.instance) },
    spec,
  })
  const { cpu, memory, ephemeralStorage } = limitRange
  const amounts = { cpu, memory, 'ephemeral-storage': ephemeralStorage }
  const limits = [{ type: 'Container', default: amounts, defaultRequest: amounts }]
  const switched: [on: boolean, object: KubernetesObject][] = [
    [network.policies, networkPolicy(namespace, brokers, settings)],
    [Object.keys(quota).length > 0, withSpec('ResourceQuota', { hard: quota })],
    [true, withSpec('LimitRange', { limits })],
  ]
  return {
    wanted: switched.filter(([on]) => on).map(([, object]) => object),
    unwanted: switched.filter(([on]) => !on).map(([, object]) => object),
  }
}

/** What the pods run as. */
function account(namespace: string, { instance, imagePullSecrets }: KubernetesSettings): V1ServiceAccount {
  return {
    ...withoutToken(BASELINE, namespace, ownLabels(instance)),
    ...(imagePullSecrets.length > 0 && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
  }
}

function withoutToken(name: string, namespace: string, labels?: Record<string, string>): V1ServiceAccount {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace, ...(labels && { labels }) },
    automountServiceAccountToken: false,
  }
}
