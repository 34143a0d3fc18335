import { ownerHash } from '../../proxy/cluster/kubernetes/names.ts'
import type { PlantedAttack } from './attack.ts'
import { INSTANCE, namespaceOf, post } from './known.ts'

const MANAGED = { 'app.kubernetes.io/managed-by': 'rexec' }
const OURS = { ...MANAGED, 'app.kubernetes.io/instance': INSTANCE }
const PRIVILEGED = { 'pod-security.kubernetes.io/enforce': 'privileged' }
const hashOf = (user: string) => ({ 'rexec.dev/owner-hash': ownerHash(user) })

interface Squat {
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
}

/** Somebody has made the namespace that a user will get; then the user comes. Each case has a user of its own. */
function squats(
  answers: string,
  cases: Record<string, (user: string) => Squat>,
  more: { deleting?: boolean } = {},
): PlantedAttack[] {
  return Object.entries(cases).map(([tries, metadata]) => {
    const user = `user who ${tries}`.slice(0, 255)
    return {
      tries: `be there first: ${tries}`,
      plant: [
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespaceOf(user), ...metadata(user) } },
      ],
      send: () => post({ python: '3.12' }, user),
      answers,
      as: user,
      ...more,
    }
  })
}

const mine = (user: string): Squat => ({
  labels: { ...OURS, ...hashOf(user) },
  annotations: { 'rexec.dev/owner': user },
})
const HELD = { finalizers: ['example.org/held'] }

export const squattingAttacks: PlantedAttack[] = [
  ...squats('namespace_not_owned', {
    'a namespace without a label': () => ({}),
    'a namespace with labels of somebody else': () => ({ labels: { team: 'a', ...PRIVILEGED } }),
    'a namespace that only names who manages it': () => ({ labels: MANAGED }),
    'a namespace with our labels alone': () => ({ labels: OURS }),
    'a namespace with our labels and the hash': (user) => ({ labels: { ...OURS, ...hashOf(user) } }),
    'a namespace with the annotation alone': (user) => ({ annotations: { 'rexec.dev/owner': user } }),
    'a namespace with annotation and hash, not ours': (user) => ({ ...mine(user), labels: hashOf(user) }),
    'a namespace with our labels and the annotation': (user) => ({ ...mine(user), labels: OURS }),
    'a namespace of mallory': () => mine('mallory'),
    'a namespace of mallory by its annotation': (user) => ({
      ...mine(user),
      annotations: { 'rexec.dev/owner': 'mallory' },
    }),
    'a namespace of mallory by its hash': (user) => ({
      ...mine(user),
      labels: { ...OURS, ...hashOf('mallory') },
    }),
    'a namespace of another installation': (user) => ({
      ...mine(user),
      labels: { ...mine(user).labels, 'app.kubernetes.io/instance': 'other' },
    }),
    'a namespace of another installation that begins alike': (user) => ({
      ...mine(user),
      labels: { ...mine(user).labels, 'app.kubernetes.io/instance': `${INSTANCE}-2` },
    }),
    'a namespace that another program manages': (user) => ({
      ...mine(user),
      labels: { ...mine(user).labels, 'app.kubernetes.io/managed-by': 'Helm' },
    }),
    'a namespace whose owner is in capitals': (user) => ({
      ...mine(user),
      annotations: { 'rexec.dev/owner': user.toUpperCase() },
    }),
    'a namespace whose owner has a space more': (user) => ({
      ...mine(user),
      annotations: { 'rexec.dev/owner': `${user} ` },
    }),
    'a namespace whose owner has a zero-width letter more': (user) => ({
      ...mine(user),
      annotations: { 'rexec.dev/owner': `${user}\u200b` },
    }),
    'a namespace of two owners': (user) => ({
      ...mine(user),
      annotations: { 'rexec.dev/owner': `${user},mallory` },
    }),
    'a namespace of nobody': (user) => ({ ...mine(user), annotations: { 'rexec.dev/owner': '' } }),
    'a namespace with half of the hash': (user) => ({
      ...mine(user),
      labels: { ...OURS, 'rexec.dev/owner-hash': ownerHash(user).slice(0, 20) },
    }),
    'a namespace with the hash as an annotation': (user) => ({
      labels: OURS,
      annotations: { 'rexec.dev/owner': user, ...hashOf(user) },
    }),
    'a namespace with the owner as a label': (user) => ({
      labels: { ...OURS, ...hashOf(user), 'rexec.dev/owner': ownerHash(user) },
    }),
  }),
  ...squats(
    'namespace_not_ready',
    {
      'a namespace without a label that is being deleted': () => HELD,
      'a namespace of mallory that is being deleted': () => ({ ...mine('mallory'), ...HELD }),
      "the user's own namespace that is being deleted": (user) => ({ ...mine(user), ...HELD }),
    },
    { deleting: true },
  ),
]
