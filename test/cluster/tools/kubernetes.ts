import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { Recipe } from './cache.ts'
import { goVersion, run } from './go.ts'

const MODULE = join(import.meta.dirname, 'kubernetes')
const COREDNS = 'v1.15.0'

/**
 * Kubernetes and etcd as the `tool` lines of kubernetes/go.mod name them, and CoreDNS, which has requirements of its
 * own. Kubernetes' own go.mod points its staging modules at local folders, so ours replaces each by what is published.
 */
export async function kubernetesRecipe(): Promise<Recipe> {
  const [mod, sum] = await Promise.all(
    ['go.mod', 'go.sum'].map((name) => readFile(join(MODULE, name), 'utf8')),
  )
  const [, version, major, minor] = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)/.exec(mod!)!
  const names = { gitVersion: version, gitMajor: major, gitMinor: minor }
  const stamps = Object.entries(names).map(
    ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
  )
  return {
    name: 'kubernetes',
    inputs: [mod!, sum!, COREDNS, await goVersion(MODULE)],
    async build(folder) {
      const flags = ['-trimpath', '-ldflags', ['-s', '-w', ...stamps].join(' ')]
      await run('go', ['build', ...flags, '-o', `${folder}/`, 'tool'], { cwd: MODULE })
      await rename(join(folder, 'server'), join(folder, 'etcd'))
      const coredns = `github.com/coredns/coredns@${COREDNS}`
      await run('go', ['install', '-trimpath', '-ldflags', '-s -w', coredns], {
        cwd: folder,
        env: { GOBIN: folder },
      })
    },
  }
}
