import type { JupyterhubSettings } from '../../proxy/identity/settings.ts'
import type { ProxySettings } from '../../proxy/settings.ts'
import { type Check, fail, ok, warn } from './check.ts'
import { clockOf } from './clock.ts'
import { ask, below } from './http.ts'

const OLDEST_HUB = 3
const REGISTER =
  'Register the service at the hub with this very token: docs/admin/hub.md; "rexec init" writes the hub\'s part.'

export interface HubPlace {
  settings: JupyterhubSettings
  /** Of the service; unknown where that setting is wrong. */
  prefix: string | undefined
  whenUserVanishes: ProxySettings['cluster']['kubernetes']['namespaces']['whenUserVanishes']
}

/** What the hub says of itself, of our token, and of the login that it shall do for us. */
export function hubChecks({ settings, prefix, whenUserVanishes }: HubPlace): Check[] {
  const { apiUrl, apiToken: token, serviceName } = settings
  const check = (name: string, run: Check['run'], todo?: string): Check => ({
    group: 'hub',
    name,
    run,
    ...(todo && { todo }),
  })
  const api = check(
    'api',
    async (signal) => {
      const { status, json, headers } = await ask(below(apiUrl, '/'), { signal })
      const { version, service } = json
      if (status !== 200 || typeof version !== 'string' || service !== undefined) {
        return fail(
          `${apiUrl} answers with status ${status}, but it is not the API of a JupyterHub`,
          "Set identity.jupyterhub.apiUrl to the hub's own API: http://hub:8081/hub/api in its namespace, with the base_url before /hub if there is one.",
        )
      }
      const isOld = Number.parseInt(version, 10) < OLDEST_HUB
      return [
        isOld
          ? fail(
              `JupyterHub ${version} at ${apiUrl} has no scopes as they are needed`,
              'Use JupyterHub 3 or newer.',
            )
          : ok(`JupyterHub ${version} answers at ${apiUrl}`),
        clockOf(headers, 'the hub'),
      ]
    },
    'Is identity.jupyterhub.apiUrl right as the proxy sees it? Does the network policy of the hub let the proxy in (in z2jh: the label hub.jupyter.org/network-access-hub: "true", and hub.networkPolicy.interNamespaceAccessLabels: accept from another namespace)?',
  )
  if (!token) return [api]
  return [
    api,
    check('service-token', async (signal) => {
      const { status, json } = await ask(below(apiUrl, '/user'), { token, signal })
      if (status === 403 || status === 401)
        return fail('the hub does not know the token of the service', REGISTER)
      if (status !== 200)
        return fail(`the hub answers with status ${status} when it is shown the token`, REGISTER)
      const { kind, name, scopes } = json
      if (kind !== 'service' || name !== serviceName) {
        return fail(
          `the token is that of the ${kind} "${name}", not of the service "${serviceName}"`,
          'Give the token that stands beside the name of the service in the configuration of the hub.',
        )
      }
      const list = Array.isArray(scopes) ? scopes.join(', ') : ''
      return ok(`the hub knows the token of the service "${serviceName}" (scopes: ${list || 'none'})`)
    }),
    check('list-users', async (signal) => {
      const { status } = await ask(below(apiUrl, '/users?limit=1'), { token, signal })
      if (status === 200) return ok('the hub tells which users there are (list:users)')
      const todo = `Give the service the scope list:users in a role of the hub, if servers of users who have left shall be stopped.`
      const what = 'the hub does not tell which users there are: those who have left are not noticed'
      return whenUserVanishes === 'delete'
        ? fail(`${what}, though namespaces.whenUserVanishes is delete`, todo)
        : warn(what, todo)
    }),
    check('login', async (signal) => {
      // A code that nobody has been given: the hub looks at the client first.
      const form = new URLSearchParams({
        client_id: `service-${serviceName}`,
        client_secret: token,
        grant_type: 'authorization_code',
        code: 'none',
        redirect_uri: `${prefix ?? `/services/${serviceName}`}/oauth_callback`,
      })
      const { status, json } = await ask(below(apiUrl, '/oauth2/token'), { form: `${form}`, signal })
      const { error } = json
      if (error === 'invalid_grant') return ok(`the hub takes logins for service-${serviceName} (OAuth)`)
      if (error === 'invalid_client' || status === 401 || status === 403) {
        return fail(
          `the hub has no login for service-${serviceName} with this token: browsers cannot come in`,
          'The service needs a url in the configuration of the hub, beside the token.',
        )
      }
      return warn(`the hub answers a login with status ${status} (${String(error ?? 'no reason')})`)
    }),
  ]
}
