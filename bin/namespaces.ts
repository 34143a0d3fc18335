import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { Type } from 'typebox'
import { loadSettings } from '../common/settings.ts'
import { givenNamespace } from '../proxy/cluster/kubernetes/given-namespace.ts'
import { KubernetesSettings } from '../proxy/cluster/kubernetes/settings.ts'
import { isUserName } from '../proxy/identity/authenticator.ts'
import { isReserved, namespaceName } from '../proxy/security-model/namespace-name.ts'
import { Problem } from './problem.ts'

const open = { additionalProperties: true }
/** The part of the proxy's settings that is read here; secrets, which the proxy needs beside it, are not needed. */
const Settings = Type.Object(
  { cluster: Type.Object({ kubernetes: KubernetesSettings }, { ...open, default: {} }) },
  open,
)

/**
 * `rexec namespaces --settings FILE USER...`: prints what an administrator applies in mode "given" so that these users
 * have a namespace, as a List in JSON. A user without one in namespaces.given gets the name that mode "made" would use;
 * the line that the settings need then goes to stderr.
 */
export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { settings: { type: 'string' }, 'service-account': { type: 'string', default: 'rexec-proxy' } },
  })
  if (!values.settings || positionals.length === 0) {
    throw new Problem('Say which settings and which users: rexec namespaces --settings FILE USER...', 2)
  }
  const text = await readFile(values.settings, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Problem(`${values.settings} cannot be read (${error.code}).`)
  })
  const { kubernetes } = loadSettings(Settings, text).cluster
  const named = namesOf(positionals, kubernetes)
  const items = [...named].flatMap(([user, name]) =>
    givenNamespace(user, name, kubernetes, values['service-account']),
  )
  process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 2)}\n`)
  const missing = [...named].filter(([user]) => !Object.hasOwn(kubernetes.namespaces.given, user))
  if (missing.length > 0) {
    process.stderr.write(
      `Add to cluster.kubernetes.namespaces.given of the settings: ${JSON.stringify(Object.fromEntries(missing))}\n`,
    )
  }
}

/** @throws Problem for what the proxy would refuse as well, and for two users in one namespace */
function namesOf(
  users: string[],
  { namespaces: { given, prefix }, releaseNamespace }: KubernetesSettings,
): Map<string, string> {
  const named = new Map<string, string>()
  for (const user of users) {
    if (!isUserName(user)) throw new Problem(`${JSON.stringify(user)} cannot be the name of a user.`)
    const name = Object.hasOwn(given, user) ? given[user]! : namespaceName(user, prefix)
    const other = Object.keys(given).find((other) => other !== user && given[other] === name)
    if (other)
      throw new Problem(
        `${name} is the namespace of both ${JSON.stringify(user)} and ${JSON.stringify(other)}.`,
      )
    if (isReserved(name, releaseNamespace)) throw new Problem(`${name} cannot be the namespace of a user.`)
    named.set(user, name)
  }
  return named
}
