import { join } from 'node:path'
import { builtTools } from './tools/cache.ts'
import { ciliumRecipe } from './tools/cilium.ts'
import { crdsRecipe } from './tools/crds.ts'
import { goVersion } from './tools/go.ts'
import { HELM_MAJORS, type HelmMajor, helmRecipe } from './tools/helm.ts'
import { kubernetesRecipe } from './tools/kubernetes.ts'

type Say = (line: string) => void

/**
 * Folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl, etcd and coredns.
 * Built on first use (minutes) from the Go module proxy into the cache.
 * @param say is told what is going on
 * @throws Error why they could not be built
 */
export async function kubernetesTools(say?: Say): Promise<string> {
  return builtTools(await kubernetesRecipe(), say)
}

/** Folder with bin/ (cilium-agent, cilium-cni), lib/, crds/ and path/; otherwise as kubernetesTools. */
export async function ciliumTools(say?: Say): Promise<string> {
  return builtTools(await ciliumRecipe(), say)
}

/** Path of the program helm; otherwise as kubernetesTools. */
export async function helmTool(major: HelmMajor, say?: Say): Promise<string> {
  return join(await builtTools(await helmRecipe(major), say), 'helm')
}

/** Folder with the definitions of HTTPRoute, ServiceMonitor and PrometheusRule; otherwise as kubernetesTools. */
export async function chartDefinitions(say?: Say): Promise<string> {
  return builtTools(await crdsRecipe(), say)
}

/** Why Helm cannot be had here, with what to do; undefined when it can. It is built for that if need be. */
export async function helmMissing(say?: Say): Promise<string | undefined> {
  const missing = await toolsMissing()
  if (missing) return missing
  for (const major of HELM_MAJORS) {
    const reason = await helmTool(major, say).then(
      () => undefined,
      (error: Error) => `Helm ${major} could not be built: ${error.message}`,
    )
    if (reason) return reason
  }
}

/** Why this machine cannot have the tools, with what to do; undefined when it can. */
export async function toolsMissing(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'a real Kubernetes is started on Linux only'
  try {
    await goVersion(join(import.meta.dirname, 'tools/kubernetes'))
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return code === 'ENOENT' ? 'no Go: install 1.26 or newer from https://go.dev/doc/install' : message
  }
}
