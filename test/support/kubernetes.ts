import { checkSettings } from '../../common/settings.ts'
import { OWNER, OWNER_HASH, ownerHash, ownLabels } from '../../proxy/cluster/kubernetes/names.ts'
import { KubernetesSettings } from '../../proxy/cluster/kubernetes/settings.ts'
import type { ServerRequest, User } from '../../proxy/pipeline.ts'
import type { ApprovedServer } from '../../proxy/security-model/approve.ts'
import { alice, securityModel } from './security-model.ts'

/** Settings of the Kubernetes cluster: the defaults but for what is given. */
export function kubernetesSettings(given: object = {}): KubernetesSettings {
  return checkSettings(KubernetesSettings, given)
}

/** What the real security model makes of a request, under a profile that has the defaults but for what is given. */
export function approvedServer(
  request: ServerRequest = {},
  { profile = {}, user = alice }: { profile?: object; user?: User } = {},
): ApprovedServer {
  const { model, grant } = securityModel({ profiles: [{ name: 'default', ...profile }] }, user)
  return model.approve(grant, { python: '3.12', ...request })
}

/** A namespace as rexec makes it for a user, in as far as that proves whose it is. */
export function namespaceOf(user: string, name: string) {
  const labels = { ...ownLabels('rexec'), [OWNER_HASH]: ownerHash(user) }
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels, annotations: { [OWNER]: user } } }
}
