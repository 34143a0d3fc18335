import type { KubernetesObject } from '@kubernetes/client-node'
import type { Api } from './api.ts'
import { BASELINE, ownLabels } from './names.ts'
import { networkPolicy } from './network-policy.ts'
import { createOwnObjects } from './own-object.ts'
import { copyOf, readPullSecrets } from './pull-secrets.ts'
import { onceCounted } from './quota.ts'
import type { KubernetesSettings } from './settings.ts'

/** What every namespace gets beside its labels, at each launch (docs/admin/namespaces.md). */
export interface Baseline {
  /**
   * Puts all of it there, and takes away what the settings have switched off.
   * @throws ApiError, RexecError
   */
  apply(namespace: string): Promise<void>
}

/** @param brokers addresses of the brokers for servers */
export function createBaseline(api: Api, settings: KubernetesSettings, brokers: string[]): Baseline {
  const own = createOwnObjects(api, settings.instance)
  return {
    async apply(namespace) {
      const { wanted, unwanted } = baselineObjects(namespace, settings, brokers)
      await Promise.all([
        ...wanted.map((object) => own.put(object)),
        ...unwanted.map((object) => own.remove(object)),
        // Every namespace has this account from the beginning. It is Kubernetes' own, so it gets no label.
        api.apply(withoutToken('default', namespace)),
        readPullSecrets(api, settings).then((secrets) =>
          Promise.all(
            secrets.map((secret) => onceCounted(() => own.put(copyOf(secret, namespace, settings.instance)))),
          ),
        ),
      ])
    },
  }
}

/** The objects called "rexec", in two lists: those that must be there, those that must not. */
export function baselineObjects(
  namespace: string,
  settings: KubernetesSettings,
  brokers: string[],
): { wanted: KubernetesObject[]; unwanted: KubernetesObject[] } {
  const { quota, limitRange, network, imagePullSecrets, instance } = settings
  const labels = ownLabels(instance)
  const core = (kind: string, content: object) => ({
    apiVersion: 'v1',
    kind,
    metadata: { name: BASELINE, namespace, labels },
    ...content,
  })
  const amounts = {
    cpu: limitRange.cpu,
    memory: limitRange.memory,
    'ephemeral-storage': limitRange.ephemeralStorage,
  }
  const policy = networkPolicy(namespace, brokers, settings)
  const resourceQuota = core('ResourceQuota', { spec: { hard: quota } })
  const withQuota = Object.keys(quota).length > 0
  return {
    wanted: [
      {
        ...withoutToken(BASELINE, namespace, labels),
        ...(imagePullSecrets.length > 0 && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
      } as KubernetesObject,
      core('LimitRange', {
        spec: { limits: [{ type: 'Container', default: amounts, defaultRequest: amounts }] },
      }),
      ...(network.policies ? [policy] : []),
      ...(withQuota ? [resourceQuota] : []),
    ],
    unwanted: [...(network.policies ? [] : [policy]), ...(withQuota ? [] : [resourceQuota])],
  }
}

function withoutToken(name: string, namespace: string, labels?: Record<string, string>): KubernetesObject {
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace, ...(labels && { labels }) },
    automountServiceAccountToken: false,
  }
  return account
}
