import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createSigner, generateSigningKey, type Signer } from '../../../common/tokens.ts'
import { ownerHash } from '../../../proxy/cluster/kubernetes/names.ts'
import { client, findClient } from '../../support/clients.ts'
import { smallProfile, startKubernetesService } from '../../support/kubernetes-service.ts'
import { type Notebook, openNotebook, PythonError } from '../../support/notebook.ts'
import { type Attack, PRELUDE, type Targets } from './hostile/attack.ts'
import { broker } from './hostile/broker.ts'
import { network } from './hostile/network.ts'
import { pod } from './hostile/pod.ts'
import { resources } from './hostile/resources.ts'
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

const alice = openNotebook(t, python, service.as('alice'), client)
const bob = openNotebook(t, python, service.as('bob'), client)
await Promise.all([alice, bob].map(spawn))
const victim = await startVictim(t, alice)
const udp = await countDatagrams(t, cluster.hostAddress)
const at = await lookAround()
const notebook: Notebook = bob

for (const [title, attacks] of Object.entries({ network, broker, pod, resources })) {
  t.test(`from inside a pod: ${title}`, async (t) => {
    for (const attack of attacks) {
      const happened = await run(notebook, attack)
      row(attack.tried, attack.must, happened)
      t.match(happened, attack.held, `${attack.tried}: ${attack.must}`)
      if (attack.mayEndServer && attack !== attacks.at(-1)) await spawn(notebook)
    }
    t.ok(
      victim.standstill() < STANDSTILL,
      `the other user's call goes on (${victim.standstill()} ms at most)`,
    )
  })
}

t.test("the other user's call has noticed nothing", async (t) => {
  const { ticks, worst, datagrams, requests } = await victim.end()
  const seen = [...alice.stdout.text.matchAll(/^tick (\d+)$/gm)].map(([, number]) => Number(number))
  t.same(seen, [...seen.keys()], 'every line came, in its order')
  t.equal(seen.length, ticks)
  t.ok(worst < STANDSTILL / 1000, `its process waited ${worst} s at most`)
  t.ok(victim.standstill() < STANDSTILL, `its client waited ${victim.standstill()} ms at most`)
  t.equal(datagrams, 0, 'no packet has come')
  t.equal(requests, 1, 'nor a request but its own')
  t.equal(udp(), 0, 'nor has the host got a packet')
  for (const line of table) t.comment(line)
})

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

/** A call that prints a line each 100 ms, beside it a web server and somebody who counts packets. */
async function startVictim(t: Test, notebook: Notebook) {
  const ended = notebook.run<{ ticks: number; worst: number; datagrams: number; requests: number }>(`
    def work():
        import http.server, os, socket, threading, time, urllib.request
        counts = {"ticks": 0, "worst": 0, "datagrams": 0, "requests": 0}
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                counts["requests"] += 1
                self.send_response(204)
                self.end_headers()
            def log_message(self, *_): pass
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        packets.bind(("0.0.0.0", 9999))
        def count():
            while packets.recv(100): counts["datagrams"] += 1
        threading.Thread(target=count, daemon=True).start()
        address = socket.gethostbyname(socket.gethostname())
        urllib.request.urlopen("http://%s:8000/" % address).close()
        print("serving on", address, flush=True)
        last = time.monotonic()
        while not os.path.exists("/tmp/enough"):
            print("tick", counts["ticks"], flush=True)
            counts["ticks"] += 1
            time.sleep(0.1)
            now = time.monotonic()
            counts["worst"], last = max(counts["worst"], now - last), now
        return counts
    remote_func(work)()`)
  ended.catch(() => undefined)
  const [, address] = await Promise.race([
    notebook.stdout.until(/^serving on ([\d.]+)$/m),
    ended.then(() => Promise.reject(new Error('ended before it served'))),
  ])
  let standstill = 0
  let since = performance.now()
  let length = 0
  const watch = setInterval(() => {
    const now = performance.now()
    standstill = Math.max(standstill, now - since)
    if (notebook.stdout.text.length > length) since = now
    length = notebook.stdout.text.length
  }, 100)
  t.teardown(() => clearInterval(watch))
  return {
    address: address!,
    /** The longest time without a line so far, in milliseconds. */
    standstill: () => Math.round(standstill),
    async end() {
      clearInterval(watch)
      const other = openNotebook(t, python, service.as('alice'), client)
      await other.run('def enough(): open("/tmp/enough", "w").close()\nremote_func(enough)()')
      return await ended
    },
  }
}

/** What an attacker might know, and it is there: whoever is not kept away by a policy reaches it. */
async function lookAround(): Promise<Targets> {
  const namespaces = { alice: await namespaceOf('alice'), bob: await namespaceOf('bob') }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: namespaces.alice },
    spec: {
      selector: { 'rexec.dev/owner-hash': ownerHash('alice') },
      ports: [{ port: 80, targetPort: 8000 }],
    },
  })
  const jsonpath = (path: string) => `--output=jsonpath=${path}`
  const get = (...args: string[]) => cluster.kubectl('get', ...args)
  const secret = await get('secret', 'rexec-default', '-n', namespaces.bob, jsonpath('{.data.credential}'))
  const portOf = (url: string) => Number(new URL(url).port)
  const address = (url: string): [string, number] => [new URL(url).hostname, portOf(url)]
  const targets: Targets = {
    host: cluster.hostAddress,
    node: cluster.nodeAddress,
    api: address(cluster.url),
    index: address(cluster.indexUrl),
    proxyPort: portOf(service.url),
    clientPort: portOf(service.broker.client),
    serverPort: portOf(service.broker.server),
    adminPort: portOf(service.broker.admin),
    hostUdp: udp.port,
    pod: victim.address,
    service: await get('service', 'web', '-n', namespaces.alice, jsonpath('{.spec.clusterIP}')),
    serviceName: `web.${namespaces.alice}.svc.cluster.local`,
    own: Buffer.from(secret, 'base64').toString(),
    forged: await forge(service.signer, Buffer.from(secret, 'base64').toString()),
  }
  for (const [host, port] of [
    targets.api,
    [targets.node, 10250],
    [targets.host, targets.proxyPort],
    [targets.host, targets.clientPort],
  ] as const)
    await answers(host, port)
  return targets
}

async function namespaceOf(user: string): Promise<string> {
  const selector = `--selector=rexec.dev/owner-hash=${ownerHash(user)}`
  return cluster.kubectl('get', 'namespace', selector, '--output=jsonpath={.items[0].metadata.name}')
}

/** Server credentials of alice's that are none, and things that look like one. */
async function forge(signer: Signer, own: string): Promise<Record<string, string>> {
  const alice = { user: 'alice', server: 'default' }
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const [head, body, signature] = own.split('.') as [string, string, string]
  const claims = { ...JSON.parse(Buffer.from(body, 'base64url').toString()), sub: 'alice' }
  const stranger = await createSigner(await generateSigningKey())
  return {
    'no algorithm': `${encode({ alg: 'none', typ: 'rexec-server+jwt' })}.${encode(claims)}.`,
    "another's key": (await stranger.sign('server', alice, 3600)).token,
    'another user': `${head}.${encode(claims)}.${signature}`,
    expired: (await signer.sign('server', alice, -60)).token,
    'an exec token': (await signer.sign('exec', alice, 3600)).token,
    empty: '',
    long: 'x'.repeat(100_000),
  }
}

/** Rejects when nobody listens there. */
async function answers(host: string, port: number): Promise<void> {
  const socket = connect(port, host)
  await once(socket, 'connect')
  socket.destroy()
}

/** Somebody who listens on a UDP port of the host, and counts. */
async function countDatagrams(t: Test, host: string) {
  const socket = createSocket('udp4')
  let count = 0
  socket.on('message', () => count++)
  socket.bind(0, host)
  await once(socket, 'listening')
  t.teardown(() => socket.close())
  return Object.assign(() => count, { port: socket.address().port })
}
