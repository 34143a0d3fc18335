import t from 'tap'
import { OWNER_HASH, ownerHash } from '../../../proxy/cluster/kubernetes/names.ts'
import { client, clientOn, clientPythons, clients, findClient } from '../../support/clients.ts'
import { type KubernetesService, startKubernetesService } from '../../support/kubernetes-service.ts'
import { openNotebook } from '../../support/notebook.ts'
import { nodeClusterMissing, startNodeCluster } from './node.ts'

const [newest, oldest] = [await findClient(client), await findClient(clients[0]!)]
const skip = newest.skip || oldest.skip || (await nodeClusterMissing()) || false

const FUNCTIONS = `
  @remote_func
  def where():
      import socket
      return socket.gethostbyname(socket.gethostname())

  @remote_func
  def programs():
      import os
      found = []
      for pid in filter(str.isdigit, os.listdir("/proc")):
          try:
              found.append(open(f"/proc/{pid}/cmdline").read().replace("\\0", " ").strip())
          except OSError:
              pass
      return found
`

t.test('the unmodified client calls servers in pods', { skip }, async (t) => {
  const cluster = await startNodeCluster(t)
  const service = await startKubernetesService(t, cluster)
  const alice = openNotebook(t, newest.python, service.as('alice'), client)
  const bob = openNotebook(t, newest.python, service.as('bob'), client)
  for (const notebook of [alice, bob]) await notebook.run(FUNCTIONS)

  await t.test('a server, and what it prints', async (t) => {
    const created = await alice.run('set_environment(PYTHON, "six==1.17.0")')
    t.match(created, { status: 200, Status: /created/ })
    const version = await alice.run(`
      def there():
          import six, sys
          print("from the pod")
          print("to stderr", file=sys.stderr)
          return six.__version__
      remote_func(there)()`)
    t.equal(version, '1.17.0', 'the first call waits for the pod')
    t.match(alice.stdout.text, /from the pod/)
    t.match(alice.stderr.text, /Successfully installed .*six-1\.17\.0/, 'it was told of the installation')
    await alice.stderr.until(/to stderr/)
  })

  await t.test('a generator gives its items while it runs', async (t) => {
    await alice.run(`
      def count():
          import os, time
          yield 1
          while not os.path.exists("/tmp/go"):
              time.sleep(0.01)
          yield 2
      items = remote_func(count)._prepare_invocation()`)
    t.match(await alice.run('next(items)'), { channel: 'yield', data: 1 })
    await alice.run('remote_func(lambda: open("/tmp/go", "w").close())()')
    t.match(await alice.run('next(items)'), { channel: 'yield', data: 2 })
    t.equal((await alice.raises('next(items)')).name, 'StopIteration')
  })

  await t.test('an exception', async (t) => {
    const error = await alice.raises('remote_func(lambda: [][3])()')
    t.match(error, { name: 'RuntimeError', message: /IndexError: list index out of range/ })
  })

  await t.test('Ctrl-C ends the function with all that it has started', async (t) => {
    const call = alice.raises(`
      def forever():
          import subprocess
          print("it runs", flush=True)
          subprocess.run(["sleep", "4711"])
      remote_func(forever)()`)
    await alice.stdout.until(/it runs/)
    alice.interrupt()
    t.equal((await call).name, 'KeyboardInterrupt')
    const left = async () => (await alice.run<string[]>('programs()')).filter((one) => /4711/.test(one))
    while ((await left()).length > 0);
    t.pass('nothing is left of it, and the server goes on')
  })

  await t.test('two users at once: each has a pod in an own namespace, and no other', async (t) => {
    await bob.run('set_environment(PYTHON)')
    const addresses = await Promise.all([alice.run<string>('where()'), bob.run<string>('where()')])
    const [ofAlice, ofBob] = await Promise.all([pods(service, 'alice'), pods(service, 'bob')])
    t.same(addresses, [ofAlice[0]?.address, ofBob[0]?.address])
    t.same([ofAlice.length, ofBob.length], [1, 1])
    t.not(ofAlice[0]!.namespace, ofBob[0]!.namespace)
    for (const user of ['alice', 'bob'] as const) {
      const { servers } = await service.api<{ servers: { user: string }[] }>(user, '/servers')
      t.match(servers, [{ user }])
      t.equal(servers.length, 1, `${user} sees one server`)
    }
    await service.api('bob', '/servers/default', { method: 'DELETE' })
    t.same(await pods(service, 'bob'), [], 'bob has stopped his server')
    t.equal(await alice.run('where()'), addresses[0], "and not alice's")
    t.match(await bob.raises('where()'), { message: /\[no_server\]/ })
  })

  await t.test(
    'the same environment is the same pod; another one comes only if it was asked for',
    async (t) => {
      const [before] = await pods(service, 'alice')
      t.match(await alice.run('set_environment("six==1.17.0", PYTHON)'), { status: 200, Status: /exists/ })
      t.match(await alice.run('set_environment(PYTHON)'), { status: 409, code: 'server_differs' })
      t.same(await pods(service, 'alice'), [before])

      const old = openNotebook(t, oldest.python, service.as('alice'), clients[0])
      t.match(await old.run('set_environment(PYTHON)'), { status: 200, Status: /replaced/ })
      t.equal(await old.run('remote_func(lambda: 42)()'), 42, 'scidx-rexec 0.0.8 cannot ask, and gets it')
      const after = await pods(service, 'alice')
      t.equal(after.length, 1)
      t.not(after[0]!.uid, before!.uid)
    },
  )

  await t.test('replicas share the calls', async (t) => {
    const pair = { name: 'pair', python: Object.keys(cluster.images.pythons)[0], replicas: 2 }
    const { token } = await service.api<{ token: string }>('bob', '/servers', { method: 'POST', json: pair })
    const both = await untilReady(service, 'bob', 2)
    await bob.run(`
      def stay():
          import socket, time
          yield socket.gethostbyname(socket.gethostname())
          time.sleep(1000)
      staying = remote_func(stay)
      staying.exec_token = where.exec_token = ${JSON.stringify(token)}
      stays = staying._prepare_invocation()`)
    const { data: first } = await bob.run<{ data: string }>('next(stays)')
    const second = await bob.run<string>('where()')
    t.same([first, second].sort(), both.sort())
    await bob.run('stays.close()')
    await service.api('bob', '/servers/pair', { method: 'DELETE' })
  })

  const version = '3.13'
  const interpreter = (await clientPythons())[version] ?? ''
  const noPython =
    !interpreter && `no Python ${version} on this machine: install it, or let pyenv or uv do so`
  await t.test('the requirements choose the Python', { skip: noPython }, async (t) => {
    const carol = openNotebook(t, await clientOn(version, interpreter), service.as('bob'), client)
    t.match(await carol.run('set_environment(PYTHON)'), { status: 200 })
    const running = await carol.run('remote_func(lambda: __import__("sys").version_info[:2])()')
    t.same(running, [3, 13])
    t.match(await pods(service, 'bob'), [{ image: cluster.images.pythons[version] }])
  })
})

interface Pod {
  name: string
  namespace: string
  uid: string
  address: string
  /** Of the worker. */
  image: string
}

/** The pods of a user's servers. */
async function pods({ cluster }: KubernetesService, user: string): Promise<Pod[]> {
  const selector = `--selector=${OWNER_HASH}=${ownerHash(user)}`
  const answer = await cluster.kubectl('get', 'pods', '--all-namespaces', selector, '--output=json')
  const { items } = JSON.parse(answer) as {
    items: {
      metadata: { name: string; namespace: string; uid: string }
      spec: { containers: { image: string }[] }
      status: { podIP: string }
    }[]
  }
  return items.map(({ metadata: { name, namespace, uid }, spec, status }) => ({
    name,
    namespace,
    uid,
    address: status.podIP,
    image: spec.containers[0]!.image,
  }))
}

/** Waits until so many pods of the user are ready. @returns their addresses */
async function untilReady(service: KubernetesService, user: string, count: number): Promise<string[]> {
  let found = await pods(service, user)
  while (found.length < count) found = await pods(service, user)
  const { kubectl } = service.cluster
  for (const { name, namespace } of found) {
    await kubectl(
      'wait',
      `--namespace=${namespace}`,
      '--for=condition=Ready',
      `pod/${name}`,
      '--timeout=120s',
    )
  }
  return (await pods(service, user)).map(({ address }) => address)
}
