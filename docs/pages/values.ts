import type { Value } from '../../helm/schema/comments.ts'
import { schemaAt, valuesSchema } from '../../helm/schema/schema.ts'
import { typeOf } from './settings.ts'

/** docs/reference/values.md: every value of the chart with type, default and meaning, a table for each part of it. */
export function valuesPage(values: Value[]): string {
  const schema = valuesSchema(values)
  const rows = values.filter(({ isDocumented }) => isDocumented)
  const sections = Map.groupBy(rows, ({ path }) => (path.includes('.') ? path.split('.', 1)[0]! : ''))
  const row = ({ path, fallback, description }: Value) =>
    `| \`${path}\` | ${typeOf(schemaAt(schema, path) ?? {})} | \`${JSON.stringify(fallback)}\` | ${cell(description)} |`
  const about = (name: string) => values.find(({ path }) => path === name)?.description ?? ''
  const tables = [...sections].map(
    ([name, rows]) => `## ${name || 'General'}
${about(name) && `\n${about(name)}\n`}
| value | type | default | meaning |
|---|---|---|---|
${rows.map(row).join('\n')}
`,
  )
  return `# Values of the chart

What \`helm install rexec helm/rexec --values FILE\` takes. A wrong or unknown value stops the install and is named. The
settings of proxy and broker stand in \`proxy.config\` and \`broker.config\` under the names of
[settings.md](settings.md). [install.md](../admin/install.md) says which values an installation needs.

<!-- Made by \`npm run docs\` from helm/rexec/values.yaml and helm/schema: do not edit. -->

${tables.join('\n')}`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('*', '\\*')
}
