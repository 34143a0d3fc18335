import { readFile } from 'node:fs/promises'
import { type Static, type TObject, Type } from 'typebox'
import { checkSettings, loadSettings, SettingsError } from '../../common/settings.ts'
import { hubEnvironment } from '../../proxy/hub-environment.ts'
import { ProxySettings } from '../../proxy/settings.ts'

/** A secret of the proxy: where it comes from, and its text if it can be had. */
export interface Secret {
  name: string
  text?: string | undefined
  /** Why it cannot be had. Undefined as well when it is not set at all. */
  problem?: string
}

export interface ProxyFiles {
  file: string
  secrets: Record<'signingKey' | 'brokerCredential' | 'hubToken' | 'staticUsers', Secret>
  /** Why the settings are refused; empty when they are not. */
  problems: readonly string[]
  /** The finished settings; undefined when they are refused. */
  settings: ProxySettings | undefined
  /** What the file has at this path, unchecked. */
  raw(path: string): unknown
  /** A section by itself, so that a mistake in one does not keep another from being looked at. */
  section<T extends TObject>(path: string, schema: T): Static<T> | undefined
}

/** Has the form of a broker credential. */
const MADE_UP = 'x'.repeat(32)
const Anything = Type.Object({}, { additionalProperties: true })

/** The settings and secrets of the proxy as it would read them itself; whatever is wrong is kept, not thrown. */
export async function readProxyFiles(file: string, env: NodeJS.ProcessEnv): Promise<ProxyFiles> {
  const [signingKey, brokerCredential, hubToken, staticUsers] = await Promise.all(
    ['REXEC_SIGNING_KEY', 'REXEC_BROKER_CREDENTIAL', 'REXEC_HUB_TOKEN', 'REXEC_STATIC_USERS'].map((name) =>
      readSecret(name, env),
    ),
  )
  const secrets = {
    signingKey: signingKey!,
    brokerCredential: brokerCredential!,
    hubToken: hubToken!,
    staticUsers: staticUsers!,
  }
  let text = ''
  let unreadable: string | undefined
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    unreadable = `${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`
  }
  // What a hub tells a service that it starts stands below the file (hub-environment.ts).
  const below = attempt(() => hubEnvironment(env))
  const raw = attempt(() => loadSettings(Anything, text, {}, below.settings)).settings
  const overrides = overridesOf(secrets, raw)
  const { settings, problems } =
    unreadable === undefined
      ? attempt(() => loadSettings(ProxySettings, text, overrides, hubEnvironment(env)))
      : { problems: [unreadable] }
  return {
    file,
    secrets,
    problems,
    settings,
    raw: (path) => at(raw, path),
    section: (path, schema) => {
      if (raw === undefined || unreadable !== undefined) return undefined
      const prefix = path && `${path}.`
      const own = Object.entries(overrides).filter(([name]) => name.startsWith(prefix))
      const inner = Object.fromEntries(own.map(([name, value]) => [name.slice(prefix.length), value]))
      return attempt(() => checkSettings(schema, at(raw, path) ?? {}, path ? inner : {})).settings
    },
  }
}

/** A variable, or the file that the variable with _FILE names. */
async function readSecret(name: string, env: NodeJS.ProcessEnv): Promise<Secret> {
  if (env[name] !== undefined) return { name, text: env[name] }
  const file = env[`${name}_FILE`]
  if (file === undefined) return { name: `${name}_FILE` }
  return readFile(file, 'utf8').then(
    (text) => ({ name: `${name}_FILE`, text: text.trim() }),
    ({ code }) => ({ name: `${name}_FILE`, problem: `${file} cannot be read (${code})` }),
  )
}

/** What the secrets are in the settings. What is missing is told by the checks of secrets, so it is made up here. */
function overridesOf(
  { brokerCredential, hubToken, staticUsers }: ProxyFiles['secrets'],
  raw: unknown,
): Record<string, unknown> {
  const users = parseJson(staticUsers.text)
  return {
    'broker.credential': brokerCredential.text ?? at(raw, 'broker.credential') ?? MADE_UP,
    ...(hubToken.text && at(raw, 'identity.jupyterhub') !== undefined
      ? { 'identity.jupyterhub.apiToken': hubToken.text }
      : {}),
    ...(users !== undefined && { 'identity.static.users': users }),
  }
}

function parseJson(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}

function attempt<T>(load: () => T): { settings: T | undefined; problems: readonly string[] } {
  try {
    return { settings: load(), problems: [] }
  } catch (error) {
    if (error instanceof SettingsError) return { settings: undefined, problems: error.problems }
    throw error
  }
}

function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .filter(Boolean)
    .reduce<unknown>((within, name) => (within as Record<string, unknown> | undefined)?.[name], value)
}
