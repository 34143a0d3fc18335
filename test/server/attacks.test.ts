import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { ServerCalls } from '../support/server-calls.ts'
import type { TestServerOptions } from '../support/test-server.ts'

/** Python on the socket of the agent: `connect(role, (type, body), …)`, and `message(type, body)`. */
const SOCKET = `
def f(path, *rest):
    import json, os, socket, struct, time
    def message(kind, body=b"", size=None):
        return struct.pack(">QB", len(body) if size is None else size, ord(kind)) + body
    def connect(data):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(60)
        link.connect(path)
        link.sendall(data)
        return link
    def closed(link):
        try:
            while link.recv(65536): pass
        except ConnectionError: pass
        return True
    def is_open(link):
        link.setblocking(False)
        try: return link.recv(1) != b""
        except BlockingIOError: return True
        except ConnectionError: return False
    def wait_until_open(links, count):
        # How many are open when there are so few, or after a minute.
        end = time.monotonic() + 60
        while sum(map(is_open, links)) > count and time.monotonic() < end: time.sleep(0.05)
        return sum(map(is_open, links))
    def fifos(pid):
        for name in ("out", "err"):
            fifo = os.path.join(os.path.dirname(path), "%d-%s" % (pid, name))
            os.mkfifo(fifo)
            rest_of.append(os.open(fifo, os.O_RDWR))
    rest_of = []
`

/** The descriptor of the call's own connection to the agent. */
const OWN = `
def own():
    for name in os.listdir("/proc/self/fd"):
        if os.readlink("/proc/self/fd/" + name).startswith("socket:"):
            return socket.socket(fileno=int(name))
link = own()
`

/** MiB by which a flooded agent may grow: 20 to 70, mostly garbage. An agent that lets nobody wait grows by over 1,000. */
const KEPT = 200

/** All attacks but the last ones leave a server that goes on; each says what it says. */
async function start(t: Test, options: Omit<TestServerOptions, 'brokers'> = {}) {
  const server = await ServerCalls.start(options)
  t.teardown(() => server.close())
  const path = server.server.settings.socket
  /** Of the agent, in MiB. */
  const memory = async () => {
    const status = await readFile(`/proc/${server.server.agent.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024
  }
  return {
    server,
    attack: async (lines: string) => {
      const source = `${SOCKET}${lines.trim().replace(/^/gm, '    ')}\n`
      return server.run(source, `(${JSON.stringify(path)},)`)
    },
    goesOn: async (t: Test) =>
      t.equal((await server.run('def f(): return "the server goes on"')).result, 'the server goes on'),
    /**
     * Runs what floods the agent, which is told to start by the first output, while the client does not read for 4 s.
     * @returns by how many MiB the agent has grown
     */
    flood: async (lines: string) => {
      const source = `${SOCKET}${`${OWN}print("x", flush=True)\ntime.sleep(1)\n${lines}`.trim().replace(/^/gm, '    ')}\n`
      const [fn, args] = await server.pickles.dump(source, 'f', `(${JSON.stringify(path)},)`)
      const events = server.broker.call(fn, args, 'flood')
      await events.next()
      const before = await memory()
      server.broker.pause()
      await pause(4000)
      const after = await memory()
      server.broker.resume()
      await server.broker.send('CANCEL', 'flood', 'enough')
      for await (const _ of events); // not read: they are no pickles
      return after - before
    },
    memory,
  }
}

t.test('thousands of connections that say nothing: some are taken, the rest is closed', async (t) => {
  const { attack, goesOn, memory, server } = await start(t)
  const before = await memory()
  const { result, error } = await attack(`
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
links = []
for _ in range(3000):
    try: links.append(connect(b""))
    except OSError: pass
return wait_until_open(links, 79)
`)
  t.equal(error, undefined)
  const open = result as number
  t.ok(open < 2 * (4 + 4) + 64, `${open} of them stay open`)
  t.match(server.server.log.join('\n'), 'more connections than it may')
  t.ok((await memory()) - before < 60)
  await goesOn(t)
})

t.test('the source, again and again, never read: nothing is kept for it', async (t) => {
  const { attack, goesOn, memory } = await start(t)
  const before = await memory()
  await attack('for _ in range(2000): connect(b"W")')
  t.ok((await memory()) - before < 60)
  await goesOn(t)
})

t.test('claims to be a child, with FIFOs, that nobody ordered: closed', async (t) => {
  const { attack, server } = await start(t)
  const { result } = await attack(`
links = []
for pid in range(1000000, 1000040):
    fifos(pid)
    links.append(connect(b"C" + message("H", json.dumps({"pid": pid}).encode())))
return wait_until_open(links, 4)
`)
  t.ok((result as number) <= 4, `${result} come in the place of one that was just ordered`)
  // One that was taken for a process may be given a call: that ends when the connection does.
  for (let done = false; !done; ) {
    const { result, error } = await server.run('def f(): return 1')
    done = result === 1
    if (!done) t.match(error?.message, 'has closed its connection')
  }
})

t.test('a HELLO after the HELLO, or behind a bad one: closed', async (t) => {
  const { attack, goesOn } = await start(t)
  const { result } = await attack(`
fifos(1000001)
good = message("H", json.dumps({"pid": 1000001}).encode())
return [closed(connect(b"C" + message("H", b"no json") + good)), closed(connect(b"C" + good + good))]
`)
  t.strictSame(result, [true, true])
  await goesOn(t)
})

t.test('huge lengths, as any of them: nothing is kept for them', async (t) => {
  const { attack, goesOn, memory } = await start(t)
  const before = await memory()
  await attack(`
for role in (b"C", b"P", b"X"):
    for size in (2**64 - 1, 2**63, 2**53, 2**32):
        link = connect(role + message("H", b"x" * 65536, size))
        try:
            for _ in range(100): link.sendall(b"x" * 65536)
        except OSError: pass
`)
  t.ok((await memory()) - before < 60)
  await goesOn(t)
})

t.test('a result of more than maxResultBytes, around the worker: result_too_large', async (t) => {
  const { attack, goesOn } = await start(t, { settings: { maxResultBytes: 100_000_000 } })
  for (const size of ['100_000_001', '2**53', '2**64 - 1']) {
    const { error } = await attack(
      `${OWN}link.sendall(message("D", b"x" * 2**21, ${size}))\ntime.sleep(1000)`,
    )
    t.match(error?.message, '[result_too_large]', size)
  }
  await goesOn(t)
})

t.test('empty events without end, while the client does not read: the process waits', async (t) => {
  const { flood, goesOn } = await start(t)
  const grown = await flood(`
many = message("D") * 5000
link.settimeout(0.5)
end = time.monotonic() + 3
try:
    while time.monotonic() < end: link.sendall(many)
except TimeoutError: pass
time.sleep(1000)
`)
  t.ok(grown < KEPT, `${grown} MiB`)
  await goesOn(t)
})

t.test(
  'promises output without end and writes as fast as it can: no more is taken than a pipe holds',
  async (t) => {
    const { flood, goesOn } = await start(t)
    const grown = await flood(`
if os.fork() == 0:
    while True: os.write(1, b"y" * 65536)
link.settimeout(0.5)
end = time.monotonic() + 3
try:
    while time.monotonic() < end: link.sendall(message("O", b"\\xff" * 8) * 3000)
except TimeoutError: pass
time.sleep(1000)
`)
    t.ok(grown < KEPT, `${grown} MiB`)
    await goesOn(t)
  },
)

t.test(
  'puts files in the place of the next FIFOs, or takes the socket away: no call waits for ever',
  async (t) => {
    const { attack, server } = await start(t, { settings: { prefork: 1, concurrency: 1, sidecar: true } })
    await attack('os.unlink(path)')
    const { result, error } = await server.run('def f(): return "one was ready"')
    t.ok(result === 'one was ready' || error)
    t.match(
      (await server.run('def f(): return 1')).error?.message,
      /No process could be made ready.*\[worker_died\]/,
    )
    t.match(await server.broker.state('failed'), '[worker_died]', 'after some more attempts the server ends')
    t.strictSame(await server.server.workerEnded, [1, null])
  },
)

t.test(
  'connects as the parent while the worker is away, and never reads: the agent does not keep what it would say',
  async (t) => {
    const { attack, goesOn, memory } = await start(t)
    const before = await memory()
    const { result } = await attack(`
hello = message("H", b"{}")
return [closed(connect(b"P" + hello * 1000)) for _ in range(20)]
`)
    t.strictSame(result, Array(20).fill(true))
    t.ok((await memory()) - before < 60)
    await goesOn(t)
  },
)
