import t from 'tap'
import { MANAGED_BY, OWNER_HASH, ownLabels, SERVER } from '../../../proxy/cluster/kubernetes/names.ts'
import * as paths from '../../../proxy/cluster/kubernetes/paths.ts'
import { profilesOf } from '../../../proxy/security-model/profiles.ts'
import { securityModelSettings } from '../../support/security-model.ts'

/** Why a profile with such pods stops the start; undefined when it does not. */
function problem(pod: object): string | undefined {
  try {
    profilesOf(securityModelSettings({ profiles: [{ name: 'a', pod }] }).profiles)
  } catch (error) {
    return (error as Error).message
  }
}
const volume = (mountPath: string, more: object = {}) => ({ claim: 'data', mountPath, ...more })

t.test('volumes lie in folders of their own', async (t) => {
  t.equal(
    problem({ volumes: [volume('/data'), volume('/mnt/b'), volume('/data/sub'), volume('/home/a')] }),
    undefined,
  )
})

t.test('a volume that hides or reaches what rexec or the system uses stops the start', async (t) => {
  const { RUN, CONFIG, HOME, TMP, SHARED_MEMORY, SOCKET, TERMINATION_MESSAGE } = paths
  const own = [RUN, CONFIG, HOME, TMP, SHARED_MEMORY, SOCKET, TERMINATION_MESSAGE]
  const others = ['/run', '/etc', '/home', '/dev', '/proc', '/sys', '/proc/1', '/var', '/var/run/rexec']
  others.push('/var/run/secrets/kubernetes.io/serviceaccount', '/etc/ssl', `${HOME}/.local`, '/tmp/x')
  for (const path of [...own, ...others])
    t.match(
      problem({ volumes: [volume(path)] }),
      /profiles\.0\.pod\.volumes\.0\.mountPath: must not lie/,
      path,
    )
})

t.test('a volume whose path is not in its normal form stops the start', async (t) => {
  for (const path of ['//', '/data/', '/data//x', '/data/../etc/rexec', '/./tmp', '/data/.', '//tmp'])
    t.match(problem({ volumes: [volume(path)] }), /volumes\.0\.mountPath: must be a folder/, path)
  for (const path of ['/', 'data', '', '/a:b', '/a\0b'])
    t.match(problem({ volumes: [volume(path)] }), /mountPath/, path)
})

t.test('two volumes in one place stop the start', async (t) => {
  t.match(problem({ volumes: [volume('/data'), volume('/data')] }), /volumes\.1\.mountPath: used twice/)
})

t.test('a subPath that leaves its volume stops the start', async (t) => {
  for (const subPath of ['..', '../x', 'a/../..', '/etc', ''])
    t.match(problem({ volumes: [volume('/data', { subPath })] }), /subPath/, subPath)
  t.equal(problem({ volumes: [volume('/data', { subPath: 'a..b/c' })] }), undefined)
})

t.test("labels and annotations that are Kubernetes' or ours stop the start", async (t) => {
  const keys = [
    ...[
      ...Object.keys(ownLabels('rexec')),
      MANAGED_BY,
      SERVER,
      OWNER_HASH,
      'rexec.dev/anything',
      'x.rexec.dev/a',
    ],
    ...['job-name', 'controller-uid', 'batch.kubernetes.io/job-name', 'batch.kubernetes.io/controller-uid'],
    ...['kubernetes.io/metadata.name', 'pod-security.kubernetes.io/enforce', 'node.k8s.io/x'],
    ...['container.apparmor.security.beta.kubernetes.io/worker', 'seccomp.security.alpha.kubernetes.io/pod'],
  ]
  for (const field of ['labels', 'annotations'])
    for (const key of keys)
      t.match(problem({ [field]: { [key]: 'x' } }), `pod.${field}.${key}: belongs to Kubernetes or to rexec`)
})

t.test('other labels and annotations are free', async (t) => {
  const labels = {
    team: 'a',
    'example.org/pool': 'b',
    'kueue.x-k8s.io/queue-name': 'c',
    'app.kubernetes.io/part-of': 'd',
  }
  const annotations = {
    'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
    'kubernetes.io/egress-bandwidth': '1M',
  }
  t.equal(
    problem({ labels, annotations: { ...annotations, note: 'any text, of any length '.repeat(9) } }),
    undefined,
  )
})

t.test('a label that Kubernetes would not take stops the start', async (t) => {
  for (const labels of [
    { 'a b': 'x' },
    { '': 'x' },
    { a: 'b c' },
    { a: '-b' },
    { a: 'x'.repeat(64) },
    { 'A/b/c': '' },
  ])
    t.match(problem({ labels }), /pod\.labels/)
  t.match(problem({ nodeSelector: { pool: 'a b' } }), /pod\.nodeSelector\.pool/)
})
