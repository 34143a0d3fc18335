import { isIP } from 'node:net'
import { SettingsError } from '../../common/settings.ts'
import { isReserved } from '../security-model/namespace-name.ts'
import type { ProxySettings } from '../settings.ts'
import type { KubernetesSettings } from './kubernetes/settings.ts'

/** Of a hub that lost its users somebody must have the time to notice. */
const SHORTEST_BEFORE_DELETE = 3600

type Settings = Pick<ProxySettings, 'cluster' | 'securityModel'>

/** What no schema says of settings that fit together or do not. @throws SettingsError with all problems */
export function checkClusterSettings({ cluster, securityModel }: Settings): void {
  const problems =
    cluster.kind === 'kubernetes'
      ? kubernetesProblems(cluster.kubernetes)
      : securityModel.profiles
          .filter(({ images }) => images.length > 0)
          .map(
            ({ name }) =>
              `securityModel.profiles: "${name}" has images, which cluster.kind local cannot start`,
          )
  if (problems.length > 0) throw new SettingsError(problems)
}

function kubernetesProblems({ namespaces, network, releaseNamespace }: KubernetesSettings): string[] {
  const { mode, given, whenUserVanishes, vanishedSeconds } = namespaces
  const count = Object.keys(given).length
  return [
    ...(mode === 'given' && count === 0
      ? ['namespaces.given: mode given needs a namespace for each user']
      : []),
    ...(mode === 'made' && count > 0 ? ['namespaces.given: it has no meaning in mode made'] : []),
    ...Object.entries(given).flatMap(([user, name]) =>
      isReserved(name, releaseNamespace)
        ? `namespaces.given: ${name}, for ${JSON.stringify(user)}, cannot be the namespace of a user`
        : [],
    ),
    ...[...Map.groupBy(Object.keys(given), (user) => given[user]!)]
      .filter(([, users]) => users.length > 1)
      .map(([name, users]) => `namespaces.given: ${name} is given to ${users.length} users`),
    ...(whenUserVanishes === 'delete' && vanishedSeconds < SHORTEST_BEFORE_DELETE
      ? [`namespaces.vanishedSeconds: with whenUserVanishes delete it is ${SHORTEST_BEFORE_DELETE} at least`]
      : []),
    ...network.privateRanges
      .filter((range) => !isRange(range))
      .map(
        (range) => `network.privateRanges: ${range} is no range of addresses (all of them: internet: false)`,
      ),
  ].map((problem) => `cluster.kubernetes.${problem}`)
}

/** Kubernetes takes what lies within all addresses, not the whole. */
function isRange(range: string): boolean {
  const [address, bits, ...more] = range.split('/')
  const family = isIP(address ?? '')
  if (family === 0 || more.length > 0) return false
  return Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128)
}
