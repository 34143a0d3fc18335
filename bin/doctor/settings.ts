import { parseAddress } from '../../common/address.ts'
import { createLogger } from '../../common/logger.ts'
import { Registry } from '../../common/metrics.ts'
import { SettingsError } from '../../common/settings.ts'
import { checkClusterSettings } from '../../proxy/cluster/check-settings.ts'
import { createIdentities } from '../../proxy/identity/identities.ts'
import { createSecurityModel } from '../../proxy/security-model/approve.ts'
import type { ProxySettings } from '../../proxy/settings.ts'
import { type Check, type Finding, fail, ok, warn } from './check.ts'
import type { ProxyFiles } from './files.ts'
import { isForItself, isLoopback } from './reach.ts'

/** Whether the proxy would take its settings, and whether they fit together. */
export function settingsChecks({ file, problems, settings }: ProxyFiles): Check[] {
  return [
    {
      group: 'settings',
      name: 'settings',
      run: async () => {
        const all = [...problems, ...(settings ? whatPartsRefuse(settings) : [])]
        if (all.length === 0) return ok(`${file} is valid`)
        return all.map((problem) => fail(problem, 'Correct it; docs/reference/settings.md has all settings.'))
      },
    },
    {
      group: 'settings',
      name: 'settings-together',
      run: async () => (settings ? RULES.flatMap((rule) => rule(settings) ?? []) : []),
    },
  ]
}

/** What no schema says, as the parts themselves find it at their start. */
function whatPartsRefuse(settings: ProxySettings): readonly string[] {
  const means = {
    logger: createLogger('doctor', { level: 'silent' }),
    registry: new Registry(),
    ...(settings.cluster.kind === 'kubernetes' && { reviewToken: async () => undefined }),
  }
  return [
    () => checkClusterSettings(settings),
    () => createIdentities(settings.identity, means),
    () => createSecurityModel(settings.securityModel),
  ].flatMap((part) => {
    try {
      part()
      return []
    } catch (error) {
      if (error instanceof SettingsError) return error.problems
      throw error
    }
  })
}

type Rule = (settings: ProxySettings) => Finding | Finding[] | undefined

/** Valid settings that cannot work, or not as somebody will expect. */
const RULES: Rule[] = [
  function prefixIsTheHubs({ prefix, identity }) {
    if (!identity.authenticators.includes('jupyterhub') || !identity.jupyterhub) return
    const { serviceName, publicUrl } = identity.jupyterhub
    const todo = `Set prefix to the hub's base_url with services/${serviceName}, or identity.jupyterhub.serviceName to the name of the service at the hub.`
    if (!prefix.endsWith(`/services/${serviceName}`)) {
      return fail(
        `prefix ${prefix} does not end in /services/${serviceName}, which is all that the hub passes on`,
        todo,
      )
    }
    const { pathname: base } = new URL(publicUrl ?? '/', 'http://hub')
    if (publicUrl !== undefined && prefix !== `${base}services/${serviceName}`) {
      return fail(`prefix ${prefix} is not below the hub's address, ${publicUrl}`, todo)
    }
    return ok(`prefix ${prefix} is where the hub has the service`)
  },
  function hostsOfTheirOwn({ publicUrl, identity }) {
    if (!identity.authenticators.includes('jupyterhub') || !identity.jupyterhub) return
    const [own, hub] = [publicUrl, identity.jupyterhub.publicUrl].map((url) => URL.parse(url ?? '')?.hostname)
    if (hub !== undefined && own !== hub) {
      // Without an address of its own it is asked at whatever hosts lead to it.
      return own === undefined ? undefined : ok(`rexec (${own}) and the hub (${hub}) have hosts of their own`)
    }
    return warn(
      'rexec, the hub and the servers of its users are on one host: a page of such a server can act at the hub as whoever opens it, and so use rexec',
      'Set c.JupyterHub.subdomain_host: docs/admin/browser.md.',
    )
  },
  function listensForOthers({ cluster, host }) {
    if (cluster.kind !== 'kubernetes' || !isForItself(host)) return
    return warn(
      `host ${host}: only this machine or pod reaches the service`,
      'In a cluster set host: 0.0.0.0 (or "::").',
    )
  },
  function clientsCanReach({ cluster, broker: { clientAddress, externalAddress, serverAddresses } }) {
    const here = cluster.kind === 'local'
    const clients = [clientAddress, ...(externalAddress ? [externalAddress] : [])]
    return [
      ...clients
        .filter((address) => serverAddresses.includes(address))
        .map((address) =>
          fail(
            `broker: clients are sent to ${address}, which is the port for servers`,
            'Clients use port 5559, servers 5560.',
          ),
        ),
      ...[...clients, ...serverAddresses]
        .filter((address) => !here && isLoopback(parseAddress(address).host))
        .map((address) =>
          fail(
            `broker: ${address} means whatever machine looks it up`,
            'Set the name of the Service of the broker, as others know it.',
          ),
        ),
    ]
  },
  function linksAreRight({ cluster, publicUrl, trustProxy }) {
    if (
      cluster.kind !== 'kubernetes' ||
      publicUrl ||
      trustProxy.some((one) => one !== 'loopback' && !isLoopback(one))
    )
      return
    return warn(
      "neither publicUrl nor the hub's proxy in trustProxy is set: links that the service hands out begin with http://",
      'Set publicUrl to scheme and host of the hub as users see it.',
    )
  },
  function hasTls({ publicUrl }) {
    const url = URL.parse(publicUrl ?? '')
    if (url?.protocol !== 'http:' || isLoopback(url.hostname)) return
    return warn(
      `publicUrl ${publicUrl} is without TLS: tokens are sent in clear, and browsers do not tell rexec's page from others`,
      'Serve the hub by https, and set publicUrl to that.',
    )
  },
  function fixedTokens({ identity, cluster }) {
    if (!identity.authenticators.includes('static')) return
    return warn(
      'the authenticator "static" is on: whoever has one of its fixed tokens is that user',
      cluster.kind === 'kubernetes'
        ? 'Take it out of identity.authenticators.'
        : 'It is for trying out only.',
    )
  },
  function pythonsAreThere({ securityModel: { profiles } }) {
    return profiles
      .filter(({ pythons }) => Object.keys(pythons).length === 0)
      .map(({ name }) =>
        fail(`profile "${name}" has no Python version`, 'Name versions with their images in its pythons.'),
      )
  },
  function somebodyMay({ securityModel: { profiles } }) {
    if (profiles.some(({ groups }) => groups.length === 0)) return
    return warn(
      'every profile is for some groups: users in none of them have no profile',
      'Leave groups empty in one profile, if everybody may have that.',
    )
  },
  function isolation({ cluster }) {
    if (cluster.kind === 'kubernetes') return
    return warn(
      'cluster.kind is local: functions run as the user of the proxy, with no isolation',
      'Set cluster.kind: kubernetes for anybody but yourself.',
    )
  },
  function agentImage({ cluster: { kind, kubernetes } }) {
    if (kind !== 'kubernetes') return
    const { image } = kubernetes.agent
    if (!image.includes('/')) {
      return warn(
        `cluster.kubernetes.agent.image is ${image}, which no registry is named for`,
        'Name the image of rexec as nodes can pull it, in the version of the proxy.',
      )
    }
    if (/:latest$/.test(image) || !/[:@][^/]+$/.test(image)) {
      return warn(
        `cluster.kubernetes.agent.image ${image} may become another version than the proxy's`,
        "Name the proxy's version, or a digest.",
      )
    }
    return ok(`agents run ${image}`)
  },
]
