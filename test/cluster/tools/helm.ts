import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Recipe } from './cache.ts'
import { goVersion, run } from './go.ts'

/** Helm 3 is what most clusters are run with, Helm 4 is the newest. */
export const HELM_MAJORS = [3, 4] as const
export type HelmMajor = (typeof HELM_MAJORS)[number]

/** The folder gets the one program helm, in the version that helm3/go.mod or helm4/go.mod names. */
export async function helmRecipe(major: HelmMajor): Promise<Recipe> {
  const module = join(import.meta.dirname, `helm${major}`)
  const [mod, sum] = await Promise.all(
    ['go.mod', 'go.sum'].map((name) => readFile(join(module, name), 'utf8')),
  )
  return {
    name: `helm${major}`,
    inputs: [mod!, sum!, await goVersion(module)],
    async build(folder) {
      const flags = ['-trimpath', '-ldflags', ['-s', '-w', ...stamps(major, mod!)].join(' ')]
      await run('go', ['build', ...flags, '-o', `${folder}/`, 'tool'], {
        cwd: module,
        env: { CGO_ENABLED: '0' },
      })
    },
  }
}

/** Helm 3 believes in Kubernetes 1.20 otherwise, where it knows no cluster (`helm template`, `helm lint`). */
function stamps(major: HelmMajor, mod: string): string[] {
  const path = `helm.sh/helm/v${major}`
  const [, version] = new RegExp(`${path} (v[\\d.]+)`).exec(mod)!
  const [, minor] = /k8s\.io\/client-go v0\.(\d+)\./.exec(mod)!
  const kubernetes = ['pkg/lint/rules', 'pkg/chartutil'].flatMap((name) => [
    `-X ${path}/${name}.k8sVersionMajor=1`,
    `-X ${path}/${name}.k8sVersionMinor=${minor}`,
  ])
  return [`-X ${path}/internal/version.version=${version}`, ...(major === 3 ? kubernetes : [])]
}
