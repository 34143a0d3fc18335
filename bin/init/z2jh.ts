import { type Plan, RELEASE } from './plan.ts'
import { rolesOf } from './roles.ts'

const y = JSON.stringify

/** What the values of zero-to-jupyterhub need for rexec. The token is not among it. */
export function z2jhValues(plan: Plan): string {
  const { serviceName, namespace, upstream, notebookUrl } = plan
  const isElsewhere = plan['hub.namespace'] !== namespace
  const roles = Object.entries(rolesOf(plan)).map(([name, role]) => `    ${name}: ${y(role)}\n`)
  return `# For zero-to-jupyterhub, made by "rexec init". Give it to helm beside your own values, after them. Helm replaces lists
# as a whole: where your values have one of the lists egress, or roles of these names, join both by hand.
hub:
  services:
    ${serviceName}:
      url: ${upstream}
      display: true
      # Whoever is logged in to the hub need not confirm that rexec may know it.
      oauth_no_confirm: true
  loadRoles:
    # A role that is named here loses what it had, so what the hub gives by itself stands here again.
${roles.join('')}\
  networkPolicy:
${
  isElsewhere
    ? `    # rexec runs in the namespace ${namespace}, and asks the hub whose tokens it is shown.
    interNamespaceAccessLabels: accept
`
    : ''
}\
    # When the hub starts, it waits for its services. Private addresses it may reach, but network plugins such as Cilium do
    # not count pods as addresses.
    egress:
${egressTo(namespace, 'proxy', 10101, '      ')}
proxy:
  chp:
    networkPolicy:
      egress:
${egressTo(namespace, 'proxy', 10101, '        ')}
singleuser:
  extraEnv:
    REXEC_URL: ${y(notebookUrl)}
  networkPolicy:
    # Notebooks may not reach private addresses; the broker has one.
    egress:
${egressTo(namespace, 'broker', 5559, '      ')}`
}

/** A rule for pods of rexec, at the port of the pods themselves. */
function egressTo(namespace: string, component: 'proxy' | 'broker', port: number, indent: string): string {
  return `- to:
    - namespaceSelector:
        matchLabels: { kubernetes.io/metadata.name: ${namespace} }
      podSelector:
        matchLabels: { app.kubernetes.io/name: rexec, app.kubernetes.io/component: ${component} }
  ports: [{ port: ${port}, protocol: TCP }]
`.replaceAll(/^(?=.)/gm, indent)
}

/** The token alone, for a hub that does not share its Secret: to be kept as a secret is. */
export function z2jhSecret({ serviceName }: Plan, token: string): string {
  return `# Secret: the token of the service ${serviceName}, the same as in the Secret ${RELEASE}-hub.
hub:
  services:
    ${serviceName}:
      apiToken: ${token}
`
}
