import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { namespaceName } from '../../proxy/security-model/namespace-name.ts'

const root = join(import.meta.dirname, '../..')

async function namespaces(t: Test, settings: object, ...args: string[]) {
  const dir = t.testdir({ 'proxy.yaml': JSON.stringify(settings) })
  const command = [join(root, 'bin/rexec.ts'), 'namespaces', '--settings', join(dir, 'proxy.yaml'), ...args]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, command)
  return { list: JSON.parse(stdout) as { kind: string; items: object[] }, stderr }
}

const given = (users: Record<string, string>, kubernetes: object = {}) => ({
  cluster: { kind: 'kubernetes', kubernetes: { namespaces: { mode: 'given', given: users }, ...kubernetes } },
})

t.test('prints a namespace with the proof of its owner, and what the proxy may do in it', async (t) => {
  const { list, stderr } = await namespaces(t, given({ alice: 'rexec-alice' }), 'alice')
  t.equal(list.kind, 'List')
  const own = { 'app.kubernetes.io/managed-by': 'rexec', 'app.kubernetes.io/instance': 'rexec' }
  const metadata = { name: 'rexec-proxy', namespace: 'rexec-alice', labels: own }
  const [namespace, role, binding] = list.items as { rules?: { resources: string[]; verbs: string[] }[] }[]
  t.same(namespace, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: 'rexec-alice',
      labels: {
        ...own,
        // The first 40 hex digits of SHA-256 of the user name.
        'rexec.dev/owner-hash': '2bd806c97f0e00af1a1fc3328fa763a9269723c8',
        'pod-security.kubernetes.io/enforce': 'restricted',
      },
      annotations: { 'rexec.dev/owner': 'alice' },
    },
  })
  t.match(role, { kind: 'Role', metadata })
  t.same(role!.rules!.find(({ resources }) => resources.includes('namespaces'))!.verbs, ['get'])
  t.match(binding, {
    kind: 'RoleBinding',
    metadata,
    roleRef: { kind: 'Role', name: 'rexec-proxy' },
    subjects: [{ kind: 'ServiceAccount', name: 'rexec-proxy', namespace: 'rexec' }],
  })
  t.equal(list.items.length, 3)
  t.equal(stderr, '')
})

t.test(
  'a user without a namespace in the settings gets the computed name, and the line to add',
  async (t) => {
    const settings = given({ alice: 'rexec-alice' }, { instance: 'lab', releaseNamespace: 'tools' })
    const { list, stderr } = await namespaces(
      t,
      settings,
      '--service-account',
      'proxy',
      'alice',
      'b@example.org',
    )
    const name = namespaceName('b@example.org', 'rexec-')
    t.match(list.items, [
      { kind: 'Namespace', metadata: { name: 'rexec-alice' } },
      { metadata: { namespace: 'rexec-alice' } },
      { metadata: { namespace: 'rexec-alice' } },
      {
        metadata: {
          name,
          labels: { 'app.kubernetes.io/instance': 'lab' },
          annotations: { 'rexec.dev/owner': 'b@example.org' },
        },
      },
      { kind: 'Role', metadata: { name: 'proxy', namespace: name } },
      {
        kind: 'RoleBinding',
        metadata: { namespace: name },
        roleRef: { name: 'proxy' },
        subjects: [{ name: 'proxy', namespace: 'tools' }],
      },
    ])
    t.match(stderr, `given of the settings: {"b@example.org":"${name}"}`)
  },
)

t.test('what cannot be is refused', async (t) => {
  const refused = async (settings: object, user: string, stderr: RegExp) =>
    t.rejects(namespaces(t, settings, user), { code: 1, stderr }, String(stderr))
  await refused(given({ alice: 'kube-system' }), 'alice', /kube-system cannot be the namespace of a user/)
  await refused(given({ alice: 'rexec' }), 'alice', /rexec cannot be the namespace/)
  await refused(given({ alice: 'a', bob: 'a' }), 'alice', /both "alice" and "bob"/)
  await refused(given({}), 'a\nb', /"a\\nb" cannot be the name of a user/)
  await refused(given({ alice: 'No_Name' }), 'alice', /namespaces.given.alice/)
  await t.rejects(namespaces(t, given({})), { code: 2, stderr: /rexec namespaces --settings FILE USER/ })
})
