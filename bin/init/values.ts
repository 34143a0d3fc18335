import { namespaceName } from '../../proxy/security-model/namespace-name.ts'
import { parseQuantity } from '../../proxy/security-model/quantity.ts'
import { type Plan, RELEASE } from './plan.ts'

/** The Secret with the hub token that steps.ts makes. */
export const TOKEN_SECRET = `${RELEASE}-hub`
/** Of the names of namespaces that administrators make. */
const PREFIX = 'rexec-'

/** YAML is a superset of JSON: any value in one line. */
const y = JSON.stringify

/** values.yaml of helm/rexec, with what was asked for and nothing else. */
export function valuesOf(plan: Plan): string {
  return `# Values of helm/rexec, made by "rexec init". Everything else is in helm/rexec/values.yaml; the names below config are
# those of docs/reference/settings.md.
image:
  repository: ${y(plan['image.repository'])}
  tag: ${y(plan['image.tag'])}

prefix: ${y(plan.prefix)}
hub:
  apiUrl: ${y(plan['hub.apiUrl'])}
  serviceName: ${y(plan.serviceName)}
${plan['hub.publicUrl'] ? `  publicUrl: ${y(plan['hub.publicUrl'])}\n` : ''}\
${secret(plan)}
proxy:
${proxyNetwork(plan)}\
  config:
    securityModel:
      profiles:
        - name: default
          pythons: ${y(Object.fromEntries(plan['profile.pythons'].map((one) => [one, `python:${one}-slim`])))}
          cpu: ${y(bounds(plan['profile.cpu'], '1'))}
          memory: ${y(bounds(plan['profile.memory'], '1Gi'))}
    cluster:
      kubernetes:
        network:
          # Whether functions may reach the internet; private addresses they never may.
          internet: ${plan['network.internet']}
${namespaces(plan)}
broker:
${broker(plan)}
rbac:
  mode: ${plan['rbac.mode']}
`
}

function secret({ makesToken, serviceName }: Plan): string {
  return makesToken
    ? `  existingSecret: { name: ${TOKEN_SECRET}, key: token }\n`
    : `  # The hub's own Secret, in which zero-to-jupyterhub puts the token that it makes for the service.
  existingSecret: { name: hub, key: ${y(`hub.services.${serviceName}.apiToken`)} }\n`
}

/** The chart expects the pods of zero-to-jupyterhub; others are known by their namespace, or by nothing. */
function proxyNetwork(plan: Plan): string {
  if (plan['hub.kind'] === 'z2jh') return ''
  const namespace = plan['hub.namespace']
  const peers = namespace
    ? [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } }]
    : [{ ipBlock: { cidr: '0.0.0.0/0' } }]
  return `${
    namespace
      ? ''
      : `  # The hub is outside the cluster. Narrow both to its addresses, and choose how its proxy reaches this Service.
  service: { type: NodePort }
`
  }  networkPolicy:
    from: ${y(peers)}
    hub: ${y(peers)}
`
}

function bounds(max: string, usual: string): object {
  return { default: parseQuantity(max) < parseQuantity(usual) ? max : usual, max }
}

function namespaces(plan: Plan): string {
  if (plan['rbac.mode'] === 'cluster') return ''
  const lines = plan['rbac.users'].map((user) => `            ${y(user)}: ${namespaceName(user, PREFIX)}\n`)
  return `        namespaces:
          # The namespace of each user, by exact name. "rexec namespaces" prints what each must hold.
          given:
${lines.join('')}`
}

function broker(plan: Plan): string {
  const reach = plan['broker.reach']
  if (reach === 'inside') return '  # For notebooks in the cluster alone.\n  service: { type: ClusterIP }\n'
  const external = plan['broker.externalAddress']
  const service =
    reach === 'nodeport'
      ? `{ type: NodePort, nodePort: ${plan['broker.nodePort']} }`
      : '{ type: LoadBalancer }'
  return `  service: ${service}
  # Where clients outside the cluster reach it.
${external ? `  externalAddress: ${y(external)}` : '  # externalAddress: tcp://HOST:PORT'}
  # Nothing encrypts the way there. With this, tokens of the hub do not travel it; programs then need exec tokens.
  # config: { acceptIdentityTokens: false }
`
}
