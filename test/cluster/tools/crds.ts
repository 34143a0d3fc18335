import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import type { Recipe } from './cache.ts'
import { run } from './go.ts'

/** Modules that carry definitions which a cluster may have, each with its sum and the files that the chart's objects need. */
const MODULES = [
  {
    module: 'sigs.k8s.io/gateway-api@v1.4.0',
    sum: 'h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=',
    files: ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  },
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    files: ['servicemonitors', 'prometheusrules'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
]

/** The folder gets CustomResourceDefinitions of the Gateway API and of the Prometheus operator. */
export async function crdsRecipe(): Promise<Recipe> {
  return {
    name: 'crds',
    inputs: [JSON.stringify(MODULES)],
    async build(folder) {
      for (const { module, sum, files } of MODULES) {
        const json = await run('go', ['mod', 'download', '-json', module], { cwd: import.meta.dirname })
        const { Dir, Sum } = JSON.parse(json)
        if (Sum !== sum) throw new Error(`${module} is not what it was: ${Sum}`)
        for (const file of files) await cp(join(Dir, file), join(folder, file.split('/').at(-1)!))
      }
    },
  }
}
