import { readdir, readFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { ServerCalls } from '../support/server-calls.ts'

/** Resolves when the process is gone; tap's time limit ends a test that waits in vain. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (stat === undefined || stat.split(') ')[1]!.startsWith('Z')) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

t.test('functions that misbehave', async (t) => {
  const server = await ServerCalls.start({ settings: { memoryBytes: 1024 ** 3, fileBytes: 64 * 1024 ** 2 } })
  t.teardown(() => server.close())
  /** A test after which the server must still run calls. */
  const attempt = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, async (t) => {
      await body(t)
      t.equal((await server.run('def f(): return "the server goes on"')).result, 'the server goes on')
    })

  attempt('os._exit: worker_died with the code, after the output', async (t) => {
    const { error, stdout } = await server.run('def f():\n  import os\n  print("last words")\n  os._exit(3)')
    t.equal(stdout, 'last words\n')
    t.match(error?.message, /exit code 3.*\[worker_died\]/)
  })

  attempt('os._exit(0) is no success either', async (t) => {
    t.match(
      (await server.run('def f():\n  import os\n  os._exit(0)')).error?.message,
      /exit code 0.*\[worker_died\]/,
    )
  })

  attempt('SIGSEGV, SIGABRT and SIGKILL: worker_died with the name of the signal', async (t) => {
    const { error } = await server.run('def f():\n  import ctypes; ctypes.string_at(0)')
    t.match(error?.message, /killed by SIGSEGV.*\[worker_died\]/)
    for (const name of ['SIGABRT', 'SIGKILL']) {
      const source = `def f():\n  import os, signal; os.kill(os.getpid(), signal.${name})`
      t.match((await server.run(source)).error?.message, new RegExp(`killed by ${name}`))
    }
  })

  attempt('more memory than memoryBytes: MemoryError, as out_of_memory', async (t) => {
    const { error } = await server.run('def f():\n  x = bytearray(2 * 1024 ** 3)\n  return len(x)')
    t.match(error?.message, /MemoryError.*line 2.*\[out_of_memory\]/)
  })

  attempt('a larger file than fileBytes, and a higher limit: neither can be made', async (t) => {
    const { result } = await server.run(`
def f():
    import errno, os, resource, tempfile
    def attempt(action):
        try: action()
        except (OSError, ValueError) as error: return errno.errorcode.get(getattr(error, "errno", None), str(error))
    with tempfile.TemporaryFile() as file:
        fill = attempt(lambda: os.posix_fallocate(file.fileno(), 0, 65 << 20))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    return [fill, soft, hard]`)
    t.strictSame(
      result,
      ['EFBIG', 64 * 1024 ** 2, 64 * 1024 ** 2],
      'soft and hard, so that no function can raise it',
    )
  })

  attempt('other calls go on while one crashes', async (t) => {
    const slow = server.run('def f():\n  import time\n  time.sleep(0.3)\n  return "unharmed"')
    await server.run('def f():\n  import os; os.kill(0, 9)')
    t.equal((await slow).result, 'unharmed')
  })

  attempt('closes stdout and stderr: the result comes all the same', async (t) => {
    for (const source of [
      'def f():\n  import sys\n  sys.stdout.close(); sys.stderr.close()\n  return 1',
      'def f():\n  import os\n  os.close(1); os.close(2)\n  return 1',
      'def f():\n  import sys\n  sys.stdout = sys.stderr = None\n  return 1',
      'def f():\n  import io, sys\n  sys.stdout = io.StringIO()\n  return 1',
    ])
      t.equal((await server.run(source)).result, 1)
  })

  attempt('closes all file descriptors, and the agent’s with them: the reason is given', async (t) => {
    const { error, stderr } = await server.run('def f():\n  import os\n  os.closerange(3, 1000)\n  return 1')
    t.match(error?.message, '[worker_died]')
    t.match(stderr, 'has closed the connection')
  })

  attempt('reads stdin: there is nothing', async (t) => {
    t.match((await server.run('def f(): return input()')).error?.message, 'EOFError')
  })

  attempt('forks and lets both return: one answer', async (t) => {
    const { order, result } = await server.run(
      'def f():\n  import os\n  pid = os.fork()\n  if pid: os.waitpid(pid, 0)\n  return pid > 0',
    )
    t.strictSame(order, ['return', 'END'])
    t.equal(result, true)
  })

  attempt('forks and lets the copy raise: its traceback is output', async (t) => {
    const { result, stderr } = await server.run(
      'def f():\n  import os\n  pid = os.fork()\n  if pid:\n    os.waitpid(pid, 0)\n    return 1\n  raise ValueError("copy")',
    )
    t.equal(result, 1)
    t.match(stderr, 'ValueError: copy')
  })

  attempt('uses multiprocessing and threads', async (t) => {
    const { result } = await server.run(`
def f():
    import math, multiprocessing, threading
    found = []
    thread = threading.Thread(target=lambda: found.append(1))
    thread.start(); thread.join()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return found + pool.map(math.factorial, [3, 4])
`)
    t.strictSame(result, [1, 6, 24])
  })

  attempt('leaves threads, subprocesses and daemons behind: all end with the call', async () => {
    const { result } = await server.run(`
def f():
    import os, subprocess, threading, time
    threading.Thread(target=time.sleep, args=(1000,)).start()
    plain = subprocess.Popen(["sleep", "1000"])
    session = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    reader, writer = os.pipe()
    if os.fork() == 0:  # a daemon: own session, parent gone
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            time.sleep(1000)
        os._exit(0)
    return [plain.pid, session.pid, int(os.read(reader, 100))]
`)
    for (const pid of result as number[]) await gone(pid)
  })

  attempt('a cancel kills the function and what it started, and says so (C5)', async (t) => {
    const pids: number[] = []
    const outcome = await server.run(
      'def f():\n  import os, subprocess, time\n  p = subprocess.Popen(["sleep", "1000"], start_new_session=True)\n  print(os.getpid(), p.pid)\n  time.sleep(1000)',
      '()',
      {
        id: 'cancelled',
        onEvent: async (event) => {
          if (!('data' in event)) return
          pids.push(...String(event.data).split(' ').map(Number))
          await server.broker.send('CANCEL', 'cancelled', 'keyboard_interrupt')
        },
      },
    )
    t.match(outcome.end, { cancelled: true, reason: 'keyboard_interrupt' })
    for (const pid of pids) await gone(pid)
  })

  attempt('ignores signals: a cancel kills it all the same', async (t) => {
    const { end } = await server.run(
      'def f():\n  import signal, time\n  for s in (2, 15, 1): signal.signal(s, signal.SIG_IGN)\n  print("x")\n  while True: time.sleep(1)',
      '()',
      {
        id: 'stubborn',
        onEvent: (event) => 'data' in event && server.broker.send('CANCEL', 'stubborn', 'enough'),
      },
    )
    t.match(end, { cancelled: true, reason: 'enough' })
  })

  attempt('a cancel of a call that has ended is nothing', async (t) => {
    await server.run('def f(): pass', '()', { id: 'over' })
    await server.broker.send('CANCEL', 'over', 'late')
    await server.broker.send('CANCEL', 'never', 'unknown')
    t.pass()
  })

  attempt('stops its own process: a cancel ends it', async (t) => {
    const { end } = await server.run(
      'def f():\n  import os, signal\n  print("x", flush=True)\n  os.kill(os.getpid(), signal.SIGSTOP)',
      '()',
      { id: 'stopped', onEvent: (event) => 'data' in event && server.broker.send('CANCEL', 'stopped', '') },
    )
    t.match(end, { cancelled: true })
  })

  attempt('claims to be a child or the parent on the agent’s socket: nothing comes of it', async (t) => {
    const { result } = await server.run(
      `
def f(path, secret):
    import json, os, socket, struct
    answers = []
    def claim(role, *bodies):
        link = socket.socket(socket.AF_UNIX)
        link.connect(path)
        link.settimeout(60)
        try:
            link.sendall(role + b"".join(struct.pack(">QB", len(body), ord(kind)) + body for kind, body in bodies))
            answers.append(link.recv(100).decode("latin-1"))
        except ConnectionError:
            answers.append("")
    claim(b"P", ("H", b"{}"))
    claim(b"X")
    claim(b"C", ("H", b"not json"))
    claim(b"C", ("H", json.dumps({"pid": "../../" + secret}).encode()))
    claim(b"C", ("H", json.dumps({"pid": 999999}).encode()))
    claim(b"C", ("D", b"x" * 10))
    os.symlink(secret, os.path.join(os.path.dirname(path), "999998-out"))
    os.symlink(secret, os.path.join(os.path.dirname(path), "999998-err"))
    claim(b"C", ("H", json.dumps({"pid": 999998}).encode()))
    return answers
`,
      JSON.stringify([server.server.settings.socket, server.server.settings.credentialFile])
        .replace('[', '(')
        .replace(']', ')'),
    )
    t.strictSame(result, ['', '', '', '', '', '', ''])
    t.notMatch(server.server.log.join('\n'), 'a credential')
  })

  attempt('no FIFO stays behind, also of processes that were killed before they were ready', async () => {
    for (let left = ['?']; left.length > 0; ) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      const names = await readdir(`${server.server.folder}/run`)
      left = names.filter((name) => name !== 'agent.sock' && !name.startsWith('99999'))
    }
  })
})

t.test('a client that does not read: the function waits, the agent holds little (P6)', async (t) => {
  const server = await ServerCalls.start()
  t.teardown(() => server.close())
  const [fn, args] = await server.pickles.dump(
    'def f(n):\n  for i in range(n): print("x" * 1023)\n  return n',
    'f',
    '(40000,)',
  )
  server.broker.pause()
  const call = server.broker.call(fn, args)
  const first = call.next()
  await server.broker.send('HEARTBEAT')
  const memory = async () => {
    const status = await readFile(`/proc/${server.server.agent.pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024
  }
  const before = await memory()
  await new Promise((resolve) => setTimeout(resolve, 1500)) // time in which an agent that does not wait would fill up
  t.ok((await memory()) - before < 60, 'less than the 40 MB that were written, and far from it')
  server.broker.resume()
  let bytes = 0
  for (let next = await first; !next.done; next = await call.next()) {
    const size = await server.pickles.load(
      next.value.payload,
      'len(event.get("data", "")) if event.get("channel") == "stdout" else 0',
    )
    bytes += size as number
  }
  t.equal(bytes, 40000 * 1024)
})
