import { join } from 'node:path'
import { builtTools } from './tools/cache.ts'
import { ciliumRecipe } from './tools/cilium.ts'
import { goVersion } from './tools/go.ts'
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
