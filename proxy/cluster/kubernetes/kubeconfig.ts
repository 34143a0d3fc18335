import { existsSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'
import { SettingsError } from '../../../common/settings.ts'

/**
 * How to reach the API server: as the file says, or as the service account of this pod.
 * @param root before the path of the service account
 * @throws SettingsError
 */
export function loadConfig(file: string | undefined, root: string): KubeConfig {
  const config = new KubeConfig()
  try {
    if (file === undefined) config.loadFromCluster(root)
    else config.loadFromFile(file)
  } catch (error) {
    throw new SettingsError([`cluster.kubernetes.kubeconfig: ${(error as Error).message}`])
  }
  const cluster = config.getCurrentCluster()
  if (!cluster) throw new SettingsError(['cluster.kubernetes.kubeconfig: it has no current cluster'])
  if (cluster.proxyUrl) throw new SettingsError(['cluster.kubernetes.kubeconfig: proxy-url is not supported'])
  if (!URL.canParse(cluster.server) || (file === undefined && !existsSync(cluster.caFile!))) {
    throw new SettingsError([
      'cluster.kubernetes.kubeconfig: required outside a pod (docs/admin/kubernetes-by-hand.md); a pod needs a service account with its token',
    ])
  }
  return config
}
