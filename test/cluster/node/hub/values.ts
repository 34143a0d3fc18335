import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'

const PAGE = join(import.meta.dirname, '../../../../docs/admin/z2jh.md')

/** Values of zero-to-jupyterhub: those that the hub of the tests knows. */
export interface HubValues {
  hub?: {
    config?: Record<string, Record<string, unknown>>
    services?: Record<string, { apiToken?: string; [name: string]: unknown }>
    loadRoles?: Record<string, { scopes?: string[]; [name: string]: unknown }>
    networkPolicy?: { interNamespaceAccessLabels?: 'accept' | 'ignore'; egress?: object[] }
  }
  proxy?: { chp?: { networkPolicy?: { egress?: object[] } } }
  singleuser?: { extraEnv?: Record<string, string>; networkPolicy?: { egress?: object[] } }
}

/**
 * What docs/admin/z2jh.md tells an administrator to give the hub, for rexec in another namespace, used by the group
 * science.
 * @param filledIn what stands in place of the page's examples
 */
export async function documentedValues(filledIn: Record<string, string>): Promise<HubValues> {
  let page = await readFile(PAGE, 'utf8')
  for (const [example, own] of Object.entries(filledIn)) page = page.replaceAll(example, own)
  const section = (title: string): HubValues => {
    const [, yaml] =
      new RegExp(`^# .*${title}$[^]*?^\`\`\`yaml\n([^]*?)^\`\`\`$`, 'm').exec(
        page.replaceAll(/^#+/gm, '#'),
      ) ?? []
    if (!yaml) throw new Error(`docs/admin/z2jh.md has no values under "${title}"`)
    return parse(yaml)
  }
  const everybody = section('zero-to-jupyterhub')
  delete everybody.hub!.loadRoles!.user
  return merge(everybody, section('another namespace'), section('instead of everybody'))
}

/** As Helm merges values files: the later goes before the earlier. */
export function merge<T extends object>(...values: T[]): T {
  const merged: Record<string, unknown> = {}
  for (const [key, value] of values.flatMap((one) => Object.entries(one))) {
    const before = merged[key]
    merged[key] = isObject(before) && isObject(value) ? merge(before, value) : value
  }
  return merged as T
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
