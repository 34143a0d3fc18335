import t from 'tap'
import { checkSettings } from '../../../common/settings.ts'
import { KubernetesSettings } from '../../../proxy/cluster/kubernetes/settings.ts'
import { isReserved, namespaceName } from '../../../proxy/security-model/namespace-name.ts'
import { createRandom, type Random } from '../../support/random.ts'

const PREFIX = 'rexec-'
const LONGEST = `${'a'.repeat(20)}-`
const GENERATED = 1_000_000
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const RESERVED = ['default', 'kube-system', 'kube-public', 'kube-node-lease', 'rexec', 'rexec-proxy']

/** Names that some other service has taken for the same, or for a namespace of its own. */
const HOSTILE = [
  // Collide in kbatch: the same slug, and 28 bits of hash.
  ...['alice@example.com', 'alice.@example.com.+~+~-+~+-.!'],
  // Collide in kbatch's and JupyterHub's earlier slugs.
  ...[
    'alice',
    'Alice',
    'ALICE',
    'alice ',
    ' alice',
    'alice-',
    '-alice',
    'alice.',
    'a-lice',
    'a_lice',
    'a--lice',
  ],
  ...['user-1', 'user.1', 'user_1', 'user@1', 'user/1', 'user:1', 'user%2d1', 'user-2d1'],
  // Kubernetes' own namespaces, ours, and what makes one with the prefix.
  ...['', 'default', 'kube-system', 'kube-public', 'kube-node-lease', 'rexec', 'proxy', 'system', '-'],
  ...['../kube-system', 'kube-system\n', 'rexec-alice', namespaceName('alice', PREFIX)],
  // The same to the eye: Cyrillic, Greek, full width, zero width, dotless i, Kelvin and long s.
  ...['аlice', 'alιce', 'ａlice', 'al\u200bice', 'al\u0131ce', '\u212aim', 'kim', 'Kim', 'mi\u017fs', 'miss'],
  // Unicode normal forms of one text.
  ...['é', 'e\u0301', 'ﬁ', 'fi', 'Å', '\u212b', 'A\u030a', '한', '\u1112\u1161\u11ab', '²', '2'],
  ...['用户', 'пользователь', 'مستخدم', '😀', '👩‍🔬', '\u0301', '---', '...', '___', '\0', '\u202eecila'],
  ...[
    'a'.repeat(21),
    'a'.repeat(22),
    'a'.repeat(254),
    'a'.repeat(255),
    `${'a'.repeat(254)}b`,
    'é'.repeat(255),
  ],
]

function generated(random: Random): string {
  const characters = 'abcABC019-_.@+ éЖ漢😀'
  const letters = [...characters]
  return Array.from({ length: random.below(24) }, () => random.pick(letters)).join('')
}

t.test('hostile names: a valid label, nobody else is in it, and none of Kubernetes or ours', async (t) => {
  t.equal(new Set(HOSTILE).size, HOSTILE.length, 'the names differ')
  for (const prefix of [PREFIX, 'a-', 'default-', LONGEST]) {
    const names = HOSTILE.map((user) => namespaceName(user, prefix))
    t.same(
      names.filter((name) => name.length > 63 || !LABEL.test(name)),
      [],
    )
    t.equal(new Set(names).size, HOSTILE.length)
    t.ok(names.every((name) => name.startsWith(prefix)))
    t.same(
      names.filter((name) => RESERVED.includes(name) || isReserved(name, 'rexec')),
      [],
    )
  }
})

t.test('a million generated names keep apart', async (t) => {
  const random = createRandom(63)
  const hashes = new Set<string>()
  let invalid = 0
  for (let count = 0; count < GENERATED; count++) {
    // No two users are the same: their last five characters differ.
    const user = `${generated(random)}${count.toString(36).padStart(5, '0')}`
    const name = namespaceName(user, PREFIX)
    if (name.length > 63 || !LABEL.test(name) || isReserved(name, 'rexec')) invalid++
    hashes.add(name.slice(-20))
  }
  t.equal(invalid, 0)
  t.equal(hashes.size, GENERATED, 'by the hash alone, whatever the slug')
})

t.test('the hash is there whatever the name is, and has 100 bits of SHA-256', async (t) => {
  t.equal(namespaceName('alice', PREFIX), 'rexec-alice-5fc0dibv1o0au6gvocp8')
  t.match(namespaceName('', PREFIX), /^rexec-[0-9a-v]{20}$/)
  t.match(namespaceName('用户', PREFIX), /^rexec-[0-9a-v]{20}$/)
  t.match(namespaceName('Zoë Müller', PREFIX), /^rexec-zoe-muller-[0-9a-v]{20}$/)
})

t.test('two users whose names have the same bytes: neither gets a namespace', async (t) => {
  for (const name of ['a\ud800', 'a\ud801', '\udfff']) t.throws(() => namespaceName(name, PREFIX), TypeError)
})

t.test('no prefix that the settings allow leads to a reserved namespace', async (t) => {
  const settings = (prefix: string) => checkSettings(KubernetesSettings, { namespaces: { prefix } })
  for (const prefix of [
    'kube-',
    'kube-users-',
    '',
    '-',
    'A-',
    'a',
    'default',
    'x'.repeat(21),
    `${'x'.repeat(21)}-`,
  ])
    t.throws(() => settings(prefix), { name: 'SettingsError' }, `prefix ${prefix}`)
  for (const prefix of ['a-', 'default-', 'kubeflow-', LONGEST])
    t.equal(settings(prefix).namespaces.prefix, prefix)
})

t.test('reserved are those of Kubernetes and the one of the release', async (t) => {
  for (const name of ['default', 'kube-system', 'kube-anything', 'mine']) t.ok(isReserved(name, 'mine'), name)
  for (const name of ['kubeflow', 'default-x', 'mine-x', 'rexec-alice'])
    t.notOk(isReserved(name, 'mine'), name)
})
