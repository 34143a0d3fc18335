import { checkSettings } from '../../common/settings.ts'
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
