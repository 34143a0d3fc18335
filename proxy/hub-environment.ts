import { SettingsError } from '../common/settings.ts'

/**
 * What a JupyterHub tells a service that it starts itself (a managed service), as settings by their dotted names. They
 * stand below the settings file: what is set there counts. Empty for a process that no hub has started as a service, such as
 * one in the terminal of a user's server, whose variables are that user's.
 * @throws SettingsError when the hub wants it to listen in a way that it cannot
 */
export function hubEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const serviceName = env.JUPYTERHUB_SERVICE_NAME
  if (!serviceName) return {}
  const found: Record<string, unknown> = {
    'identity.authenticators': ['jupyterhub'],
    'identity.jupyterhub.serviceName': serviceName,
    'identity.jupyterhub.apiUrl': env.JUPYTERHUB_API_URL,
    'identity.jupyterhub.apiToken': env.JUPYTERHUB_API_TOKEN,
    'identity.jupyterhub.publicUrl': publicHub(env),
    publicUrl: URL.parse(env.JUPYTERHUB_PUBLIC_URL ?? '')?.origin,
    prefix: env.JUPYTERHUB_SERVICE_PREFIX?.replace(/\/+$/, ''),
    ...listenAt(env.JUPYTERHUB_SERVICE_URL),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== ''))
}

/** With base_url, and without the hub's own path below it. */
function publicHub(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env.JUPYTERHUB_PUBLIC_HUB_URL?.replace(/hub\/?$/, '') || env.JUPYTERHUB_BASE_URL
}

function listenAt(url: string | undefined): { host?: string; port?: number } {
  if (!url) return {}
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'http:') {
    throw new SettingsError([
      'JUPYTERHUB_SERVICE_URL: rexec takes plain HTTP; give the service a "url" such as http://127.0.0.1:10101 at the hub',
    ])
  }
  return { host: parsed.hostname.replace(/^\[|\]$/g, ''), port: Number(parsed.port || 80) }
}
