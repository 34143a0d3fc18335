import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ownerHash } from '../../../proxy/cluster/kubernetes/names.ts'
import { client, findClient } from '../../support/clients.ts'
import { smallProfile, startKubernetesService } from '../../support/kubernetes-service.ts'
import { type Notebook, openNotebook, PythonError } from '../../support/notebook.ts'
import { NODE_NAME } from './control-plane.ts'
import { type Attack, PRELUDE } from './hostile/attack.ts'
import { broker } from './hostile/broker.ts'
import { network } from './hostile/network.ts'
import { OWN_NAMESPACE } from './hostile/own-namespace.ts'
import { pod } from './hostile/pod.ts'
import { resources } from './hostile/resources.ts'
import { lookAround, namespaceOf } from './hostile/targets.ts'
import { countDatagrams, startVictim } from './hostile/victim.ts'
import { nodeClusterMissing, startNodeCluster } from './node.ts'

const { python, skip } = await findClient(client)
const missing = await nodeClusterMissing()
if (skip || missing) {
  t.plan(0, skip || missing || '')
  process.exit()
}

/** Milliseconds for which the other user's call may stand still: two cores, and the tests of others on them. */
const STANDSTILL = 8000
/** A pod has its namespace's policy from birth, and a disk that is full soon. */
const QUOTA = { services: '1', 'count/jobs.batch': '10', pods: '10', 'requests.memory': '4Gi' }

const cluster = await startNodeCluster(t)
const service = await startKubernetesService(t, cluster, {
  profiles: [smallProfile(cluster, { pod: { ephemeralStorage: '256Mi' } })],
  kubernetes: { quota: QUOTA },
})
const table: string[] = []
const row = (tried: string, must: string, happened: string) => table.push(`${tried} | ${must} | ${happened}`)

const open = (user: 'alice' | 'bob') => openNotebook(t, python, service.as(user), client)
const alice = open('alice')
/** The attacker; an ordinary user. */
const bob = open('bob')
await Promise.all([alice, bob].map(spawn))
const victim = await startVictim(t, alice)
const other = open('alice')
await spawn(other)
const udp = await countDatagrams(t, cluster.hostAddress)
const at = await lookAround(service, { pod: victim.address, udp: udp.port })

for (const [title, attacks] of Object.entries({ network, broker, pod, resources })) {
  t.test(`from inside a pod: ${title}`, async (t) => {
    const calls = repeat(() => other.run('def work(): return "hers"\nremote_func(work)()'))
    for (const attack of attacks) {
      const happened = await run(bob, attack)
      row(attack.tried, attack.must, happened)
      t.match(happened, attack.held, `${attack.tried}: ${attack.must}`)
      if (attack.mayEndServer && attack !== attacks.at(-1)) await spawn(bob)
    }
    t.same(
      await calls.results(),
      ['hers'],
      'other calls of alice go to her server and return what they should',
    )
    t.ok(
      victim.standstill() < STANDSTILL,
      `the other user's call goes on (${victim.standstill()} ms at most)`,
    )
  })
}

t.test('in the own namespace, with kubectl and the role "edit"', async (t) => {
  t.equal(udp(), 0, 'no packet has come to the host while there was the policy')
  const namespace = await namespaceOf(cluster, 'bob')
  const others = { alice: await namespaceOf(cluster, 'alice'), aliceHash: ownerHash('alice') }
  await spawn(bob)
  await cluster.apply({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'mallory', namespace },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'mallory' }],
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'edit' },
  })
  const kubeconfig = await cluster.kubeconfigFor({ user: 'mallory' })
  const folder = t.testdir({})
  const servers = () => service.api<unknown>('alice', '/servers')
  const before = await servers()
  for (const { tried, must, command, manifest, held } of OWN_NAMESPACE({
    ...others,
    namespace,
    node: NODE_NAME,
  })) {
    const file = join(folder, 'manifest.json')
    if (manifest) await writeFile(file, JSON.stringify(manifest))
    const given = manifest ? ['create', '-f', file] : command!
    const happened = await cluster
      .kubectl('--kubeconfig', kubeconfig, '--namespace', namespace, ...given)
      .catch((error: Error) => error.message.slice(error.message.indexOf('exit code') + 12))
    const text = happened.trim().replaceAll(/\s+/g, ' ').slice(0, 400)
    row(tried, must, text.slice(0, 100))
    t.match(text, held, `${tried}: ${must}`)
  }
  t.same(await servers(), before, "alice's servers are what they were")
  t.same(
    (await service.api<{ servers: unknown[] }>('bob', '/servers')).servers.length,
    1,
    'and of his own he sees one',
  )
  for (const attack of network.filter(({ tried }) => /^another user's/.test(tried))) {
    const happened = await run(bob, attack)
    row(`without his own policy: ${attack.tried}`, attack.must, happened)
    t.match(happened, attack.held, `without the own policy, ${attack.tried}: ${attack.must}`)
  }
  const policy = () => cluster.kubectl('get', 'networkpolicy', 'rexec', '-n', namespace, '-o', 'name')
  await t.rejects(policy())
  const { server } = await service.api<{ server: { name: string } }>('bob', '/servers', {
    method: 'POST',
    json: { name: 'next', python: '3.11' },
  })
  t.equal(server.name, 'next')
  t.match(await policy(), 'networkpolicy', 'the next start puts the policy back')
  const guarded = network.find(({ tried }) => tried.startsWith('the API server'))!
  let happened = ''
  for (let tries = 0; tries < 10 && !guarded.held.test(happened); tries++) happened = await run(bob, guarded)
  row(`after the next start: ${guarded.tried}`, guarded.must, happened)
  t.match(happened, guarded.held, 'which is enforced again')
})

t.test("the other user's call has noticed nothing", async (t) => {
  const { ticks, worst, datagrams, requests, refused } = await victim.end(other)
  const seen = [...alice.stdout.text.matchAll(/^tick (\d+)$/gm)].map(([, number]) => Number(number))
  t.same(seen, [...seen.keys()], 'every line came, in its order')
  t.equal(seen.length, ticks)
  t.ok(worst < STANDSTILL / 1000, `its process waited ${worst} s at most`)
  t.ok(victim.standstill() < STANDSTILL, `its client waited ${victim.standstill()} ms at most`)
  t.equal(datagrams, 0, 'no packet has come')
  t.equal(refused, 0, 'the kernel has refused it nothing')
  t.equal(requests, 1, 'nor a request but its own')
  for (const line of table) t.comment(line)
})

/** Does it again and again; `results` ends that, and has each different one once. */
function repeat<T>(action: () => Promise<T>) {
  let going = true
  const results = new Set<T>()
  const ended = (async () => {
    while (going) {
      results.add(await action())
      await sleep(200)
    }
  })()
  ended.catch(() => undefined)
  return {
    async results() {
      going = false
      await ended
      return [...results]
    },
  }
}

/** A server of the notebook's user, new if there was none any more. One that is just ending is still listed for a moment. */
async function spawn(notebook: Notebook): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await notebook.run('set_environment(PYTHON)')
      return await notebook.run('def there(): return 1\nremote_func(there)()')
    } catch (error) {
      if (tries === 60 || !(error instanceof PythonError)) throw error
      await sleep(500)
    }
  }
}

async function run(notebook: Notebook, { code }: Attack): Promise<string> {
  const body = `${PRELUDE.replace('\n', '\nat = given\n')}${code}`.trim().replace(/^/gm, '    ')
  const given = JSON.stringify(JSON.stringify(at))
  const cell = `import json\ndef attack(given):\n${body}\nremote_func(attack)(json.loads(${given}))`
  try {
    return String(await notebook.run(cell))
  } catch (error) {
    if (error instanceof PythonError) return `raised ${error.message}`.replaceAll(/\s+/g, ' ').slice(0, 300)
    throw error
  }
}
