import { join } from 'node:path'
import type { KubernetesObject } from '@kubernetes/client-node'
import { parseAllDocuments } from 'yaml'
import { runProgram } from '../cluster/images/program.ts'
import type { HelmMajor } from '../cluster/tools/helm.ts'
import { helmTool } from '../cluster/tools.ts'

export const CHART = join(import.meta.dirname, '../../helm/rexec')

interface Release {
  release?: string
  namespace?: string
  /** Templates alone, such as "rbac/cluster.yaml". */
  only?: string[]
  major?: HelmMajor
}

/** What `helm template` makes of helm/rexec with these values. @throws Error with what Helm says */
export async function renderChart(
  values: object = {},
  { release = 'rexec', namespace = 'rexec', only = [], major = 3 }: Release = {},
): Promise<KubernetesObject[]> {
  const text = await runProgram(await helmTool(major), [
    ...['template', release, CHART, '--namespace', namespace],
    ...Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]),
    ...only.flatMap((template) => ['--show-only', `templates/${template}`]),
  ])
  return parseAllDocuments(text).flatMap((document) => document.toJS() ?? [])
}

const RIGHTS = {
  account: ['proxy/serviceaccount.yaml'],
  cluster: ['rbac/cluster.yaml'],
  policies: ['admission-namespaces', 'admission-objects', 'admission-jobs'].map(
    (name) => `rbac/${name}.yaml`,
  ),
  pullSecrets: ['rbac/pull-secrets.yaml'],
  tokenReview: ['rbac/token-review.yaml'],
}

/**
 * The account rexec-proxy in the namespace rexec, what it may do, and what confines it, for a proxy outside the cluster
 * whose settings are the defaults: all that the chart can give, with the right on the secret rexec-pull.
 */
export async function proxyRights(...parts: (keyof typeof RIGHTS)[]): Promise<KubernetesObject[]> {
  const namespaces = { prefix: 'rexec-', whenUserVanishes: 'delete' }
  return renderChart(
    {
      imagePullSecrets: ['rexec-pull'],
      rbac: { tokenReview: true },
      proxy: { config: { cluster: { kubernetes: { instance: 'rexec', namespaces } } } },
    },
    { only: parts.flatMap((part) => RIGHTS[part]) },
  )
}
