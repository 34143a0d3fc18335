import { readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { folderName } from '../../../../proxy/cluster/local/folders.ts'
import { approve, collect, testCluster, user } from '../../../support/local-cluster.ts'

const alice = user('alice')
const bob = user('bob')
const signal = AbortSignal.timeout(120_000)

t.test('a server starts, is seen, and stops', async (t) => {
  const { cluster, stateFolder, start, until, processes, log } = await testCluster(t)
  t.match(log.text(), /no isolation/)

  const started = await start(alice)
  t.match(started, { name: 'default', user: 'alice', phase: 'starting', replicas: 1 })
  t.ok(Date.parse(started.expiresAt) > Date.parse(started.createdAt))

  const phases: string[] = []
  for await (const { phase } of cluster.watch(alice, 'default', signal)) {
    if (phases.at(-1) !== phase) phases.push(phase)
    if (phase === 'ready') break
  }
  // Whoever watches may miss one that is over at once; the agent's own words are all there.
  const said = (await collect(cluster.logs(alice, 'default', { follow: false, signal }))).flatMap(
    (line) => /^agent: .*"event":"state","state":"(\w+)"/.exec(line)?.[1] ?? [],
  )
  t.same([...new Set(said)], ['starting', 'installing', 'ready'])
  t.same(
    phases,
    [...new Set(said)].filter((phase) => phases.includes(phase)),
  )
  t.match(await cluster.get(alice, 'default'), { phase: 'ready', message: '' })
  t.match(await cluster.list(alice), [{ name: 'default' }])
  t.ok((await processes()).length >= 2, 'an agent and a worker run')

  const folder = join(stateFolder, 'users', folderName('alice'), 'servers', folderName('default'))
  t.equal((await stat(folder)).mode & 0o777, 0o700)
  t.equal((await stat(join(folder, 'credential'))).mode & 0o777, 0o600)
  t.match(
    await readFile(join(folder, 'credential'), 'utf8'),
    /^eyJ[\w.-]+$/,
    'the credential, and nothing else',
  )

  await t.test('nobody else sees it', async (t) => {
    t.same(await cluster.list(bob), [])
    t.equal(await cluster.get(bob, 'default'), undefined)
    await t.rejects(cluster.stop(bob, 'default'), { code: 'server_not_found' })
    await t.rejects(collect(cluster.logs(bob, 'default', { follow: false, signal })), {
      code: 'server_not_found',
    })
    await t.rejects(collect(cluster.watch(bob, 'default', signal)), { code: 'server_not_found' })
  })

  await t.test('its name is taken', async (t) => {
    await t.rejects(start(alice), { code: 'server_differs' })
  })

  await t.test('its log can be read, and followed to the end', async (t) => {
    const lines = await collect(cluster.logs(alice, 'default', { follow: false, signal }))
    t.ok(lines.some((line) => line.startsWith('agent: ') && line.includes('"ready"')))
    const followed = collect(cluster.logs(alice, 'default', { follow: true, signal }))
    const watched = until(alice, 'default', 'stopped')
    await cluster.stop(alice, 'default')
    t.ok((await followed).length > lines.length)
    t.match(await watched, { phase: 'stopped', message: 'told to stop' })
  })

  t.same(await processes(), [], 'nothing is left')
  t.same(await cluster.list(alice), [])
  await t.rejects(cluster.stop(alice, 'default'), { code: 'server_not_found' })

  await t.test('the environment is used again', async (t) => {
    await start(alice)
    const seen: string[] = []
    for await (const { phase, message } of cluster.watch(alice, 'default', signal)) {
      seen.push(message)
      if (phase === 'ready') break
    }
    t.notMatch(seen.join('\n'), /Collecting|Installing/i)
  })

  await t.test('several replicas are several agents', async (t) => {
    await cluster.stop(alice, 'default')
    t.match(await start(alice, { replicas: 3 }), { replicas: 3 })
    await until(alice, 'default', 'ready')
    const agents: string[] = []
    for (const number of [1, 2, 3])
      agents.push(JSON.parse(await readFile(join(folder, `${number}/agent.json`), 'utf8')).socket)
    t.equal(new Set(agents).size, 3)
  })

  await t.test('a failed installation is the reason', async (t) => {
    await start(alice, { name: 'broken', requirements: ['rexec-no-such-package==0.0.1'] })
    const status = await until(alice, 'broken', 'failed')
    t.match(status, { phase: 'failed', code: 'install_failed', message: /rexec-no-such-package/ })
    t.match(await cluster.get(alice, 'broken'), { phase: 'failed' }, 'it stays to be seen')
  })

  await t.test('close ends everything', async (t) => {
    await cluster.close()
    t.same(await processes(), [])
    await t.rejects(start(alice), { code: 'cluster_unavailable' })
  })
})

t.test('names of users and servers never become paths', async (t) => {
  const { cluster, stateFolder } = await testCluster(t)
  const names = ['../alice', '/etc', '.', '..', 'a/b', 'alice\0', 'ALICE', 'x'.repeat(5000), '__proto__', '']
  const folders = new Set<string>()
  for (const name of names) {
    const namespace = await cluster.ensureNamespace(user(name))
    t.match(namespace, { name: /^[0-9a-f]{40}$/, owner: name })
    folders.add(namespace.name)
    t.equal(await readFile(join(stateFolder, 'users', namespace.name, 'owner'), 'utf8'), name)
    t.equal(await cluster.get(alice, name), undefined)
    await t.rejects(cluster.stop(alice, name), { code: 'server_not_found' })
  }
  t.equal(folders.size, names.length)
})

t.test("a namespace of somebody else is refused, whoever's name is on the server", async (t) => {
  const { cluster } = await testCluster(t)
  const ofAlice = await cluster.ensureNamespace(alice)
  const ofBob = await cluster.ensureNamespace(bob)
  const credential = 'header.payload.signature'
  await t.rejects(cluster.start(ofBob, approve(alice), { credential }), { code: 'namespace_not_owned' })
  const forged = { name: ofBob.name, owner: 'alice' }
  await t.rejects(cluster.start(forged, approve(alice), { credential }), { code: 'namespace_not_owned' })
  const renamed = { name: ofAlice.name, owner: 'bob' }
  await t.rejects(cluster.start(renamed, approve(bob), { credential }), { code: 'namespace_not_owned' })
})

t.test('a state folder that cannot be written is not ready', async (t) => {
  const { cluster, stateFolder } = await testCluster(t)
  await cluster.check()
  await rm(stateFolder, { recursive: true })
  await t.rejects(cluster.check(), { code: 'cluster_unavailable' })
})
