import t from 'tap'
import { ServerCalls } from '../support/server-calls.ts'

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

t.test('calls', async (t) => {
  const server = await ServerCalls.start()
  t.teardown(() => server.close())

  t.test('a return value comes back, then END (C1)', async (t) => {
    const { result, order } = await server.run('def f(a, b): return {"sum": a + b}', '(1, 2)')
    t.strictSame(result, { sum: 3 })
    t.strictSame(order, ['return', 'END'])
  })

  t.test('None and nothing end without a value, as the clients expect', async (t) => {
    for (const source of ['def f(): return None', 'def f(): pass'])
      t.strictSame((await server.run(source)).order, ['END'])
  })

  t.test('each call runs in a process of its own', async (t) => {
    const source =
      'def f():\n  import os, builtins\n  seen = hasattr(builtins, "mark")\n  builtins.mark = 1\n  return [os.getpid(), seen]'
    const [one, two] = [await server.run(source), await server.run(source)] as { result: [number, boolean] }[]
    t.not(one!.result[0], two!.result[0])
    t.strictSame([one!.result[1], two!.result[1]], [false, false])
  })

  t.test(
    'output comes as it is written: Python, file descriptors, subprocesses, C, /dev/stdout',
    async (t) => {
      const { stdout, stderr } = await server.run(`
def f():
    import ctypes, os, subprocess, sys
    print("python", 1)
    sys.stdout.flush()
    os.write(1, b"descriptor\\n")
    subprocess.run(["echo", "subprocess"])
    subprocess.run("echo shell > /dev/stdout; echo wrong >&2", shell=True)
    ctypes.CDLL(None).puts(b"from C")
    print("error", file=sys.stderr)
`)
      t.equal(stdout, 'python 1\ndescriptor\nsubprocess\nshell\nfrom C\n')
      t.equal(stderr, 'wrong\nerror\n')
    },
  )

  t.test('a line arrives while the function still runs', async (t) => {
    const source =
      'def f(path):\n  import os, time\n  print("first")\n  while not os.path.exists(path): time.sleep(0.01)\n  return "seen"'
    const path = `${t.testdir()}/go`
    const { result } = await server.run(source, JSON.stringify([path]).replace('[', '(').replace(']', ',)'), {
      onEvent: async (event) => {
        if ('channel' in event && event.channel === 'stdout')
          await (await import('node:fs/promises')).writeFile(path, '')
      },
    })
    t.equal(result, 'seen')
  })

  t.test('output precedes the value that was made after it', async (t) => {
    for (let i = 0; i < 20; i++) {
      const { order, stdout } = await server.run('def f():\n  print("x" * 50000)\n  return 1')
      t.equal(stdout.length, 50001)
      t.strictSame([...new Set(order)], ['stdout', 'return', 'END'])
      if (!t.passing()) break
    }
  })

  t.test('unfinished lines and broken UTF-8 at the end are not lost', async (t) => {
    const { stdout } = await server.run(
      'def f():\n  import os\n  print("no newline", end="", flush=True)\n  os.write(1, b"\\xff \\xe2\\x82")',
    )
    t.equal(stdout, 'no newline\ufffd \ufffd')
  })

  t.test('a character that is written in two halves is one', async (t) => {
    const { stdout } = await server.run(
      'def f():\n  import os, time\n  os.write(1, b"\\xe2\\x82")\n  time.sleep(0.05)\n  os.write(1, b"\\xac")',
    )
    t.equal(stdout, '€')
  })

  t.test(
    'a generator streams its items, none before what was printed before it; its return value is the value',
    async (t) => {
      let printed = ''
      const { yields, result } = await server.run(
        'def f():\n  for i in range(30):\n    print(i)\n    yield i\n  return "done"',
        '()',
        {
          onEvent: (event) => {
            const { channel, data } = event as { channel?: string; data?: unknown }
            if (channel === 'stdout') printed += data
            if (channel === 'yield') t.ok(printed.split('\n').includes(String(data)))
          },
        },
      )
      t.strictSame(
        yields,
        Array.from({ length: 30 }, (_, i) => i),
      )
      t.equal(result, 'done')
    },
  )

  t.test('a generator that raises has streamed what came before', async (t) => {
    const { yields, error } = await server.run('def f():\n  yield 1\n  raise ValueError("then")')
    t.strictSame(yields, [1])
    t.match(error?.message, 'ValueError: then (notebook.py, line 3, in f)')
  })

  t.test('async functions and async generators run', async (t) => {
    const { result } = await server.run(
      'async def f(x):\n  import asyncio\n  await asyncio.sleep(0)\n  return x',
      '(7,)',
    )
    t.equal(result, 7)
    const { yields } = await server.run('async def f():\n  for i in range(3): yield i')
    t.strictSame(yields, [0, 1, 2])
    t.match((await server.run('async def f(): raise KeyError("k")')).error?.message, "KeyError: 'k'")
  })

  t.test('an exception: what, where, and the remote traceback', async (t) => {
    const { error, order } = await server.run(`
def inner(x):
    return x / 0
def f():
    import json
    print("before")
    json.loads("{")
`)
    t.strictSame(order, ['stdout', 'ERROR'])
    t.match(error?.message, /^json\.decoder\.JSONDecodeError: .* \(notebook\.py, line 7, in f\)$/)
    t.equal(error?.details.type, 'JSONDecodeError')
    t.match(error?.details.traceback, /File "notebook\.py", line 7, in f\n[\s\S]*decoder\.py/)
    t.notMatch(error?.details.traceback, 'rexec-worker')
  })

  t.test('exceptions that cannot even be shown, and very long ones', async (t) => {
    const hostile = await server.run(
      'def f():\n  class E(Exception):\n    def __str__(self): raise RuntimeError\n  raise E',
    )
    t.match(hostile.error?.message, /E: <exception str\(\) failed>/)
    const long = await server.run('def f(): raise ValueError("x" * 10**7)')
    t.ok(long.error!.message.length < 20_000)
    t.match(
      (await server.run('def f(): raise ValueError("\\udc80 \\U0001F600")')).error?.message,
      'ValueError',
    )
  })

  t.test('sys.exit() is an end, sys.exit(3) and sys.exit("text") are errors', async (t) => {
    t.strictSame((await server.run('def f():\n  import sys; sys.exit()')).order, ['END'])
    t.strictSame((await server.run('def f():\n  import sys; sys.exit(0)')).order, ['END'])
    t.match((await server.run('def f():\n  import sys; sys.exit(3)')).error?.message, 'SystemExit: 3')
    t.match((await server.run('def f():\n  import sys; sys.exit("no")')).error?.message, 'SystemExit: no')
  })

  t.test('KeyboardInterrupt and endless recursion are errors of the function', async (t) => {
    t.match((await server.run('def f(): raise KeyboardInterrupt')).error?.message, 'KeyboardInterrupt')
    const { error } = await server.run(
      'def g(n): return g(n + 1)\ndef f():\n  def g(n): return g(n + 1)\n  return g(0)',
    )
    t.match(error?.message, 'RecursionError')
    t.ok(error!.details.traceback!.length < 70_000)
  })

  t.test('wrong arguments are said as Python says them', async (t) => {
    t.match(
      (await server.run('def f(a): pass')).error?.message,
      "missing 1 required positional argument: 'a'",
    )
  })

  t.test('a missing module is named', async (t) => {
    const source =
      'import sys, types\nm = sys.modules["no_such_module"] = types.ModuleType("no_such_module")\nclass C: __module__ = "no_such_module"\nm.C = C; C.__qualname__ = "C"\ndef f(x): pass'
    const { error } = await server.run(source, '(C(),)')
    t.match(error?.message, /needs the module 'no_such_module'.*\[function_unreadable\]/)
  })

  t.test('frames that are not pickles are unreadable, not fatal', async (t) => {
    const [fn, args] = await server.pickles.dump('def f(): pass')
    const answers = [
      await server.collect(server.broker.call(Buffer.from('hello'), args)),
      await server.collect(server.broker.call(fn.subarray(0, -4), args)),
      await server.collect(server.broker.call(Buffer.alloc(0), args)),
      await server.collect(server.broker.call(fn, Buffer.from([0x80]))),
    ]
    for (const { error } of answers) t.match(error?.message, '[function_unreadable]')
  })

  t.test('a pickle of another dill is named as such', async (t) => {
    const [, args] = await server.pickles.dump('def f(): pass')
    const unknown = Buffer.from('cdill._dill\n_create_nothing_known\n(tR.')
    t.match(
      (await server.collect(server.broker.call(unknown, args))).error?.message,
      /The server's dill 0\.4\.0 cannot read.*\[client_mismatch\]/,
    )
    const arity = Buffer.from('cdill._dill\n_create_function\n(NNNNNNNNNNNtR.')
    t.match((await server.collect(server.broker.call(arity, args))).error?.message, '[client_mismatch]')
  })

  t.test('what cannot be pickled: the type is named', async (t) => {
    const { error } = await server.run('def f():\n  import _thread\n  return [iter(()), (i for i in ())]')
    t.match(error?.message, /A result of type list: .*generator.*\[result_unpicklable\]/)
    const deep = await server.run('def f():\n  x = []\n  for _ in range(10**5): x = [x]\n  return x')
    t.match(deep.error?.message, 'nested too deeply')
  })

  t.test('results of the user’s own classes and functions come back as with dill', async (t) => {
    const source =
      'def f():\n  class P:\n    def __init__(self, x): self.x = x\n  class Q(P): pass\n  return {"p": P(1), "q": Q(2), "f": lambda: 3}'
    const [fn, args] = await server.pickles.dump(source)
    const events = await all(server.broker.call(fn, args))
    const read = await server.pickles.load(
      events[0]!.payload,
      '[event["data"]["p"].x, event["data"]["q"].x, event["data"]["f"]()]',
    )
    t.strictSame(read, [1, 2, 3])
  })

  t.test('plain results of every kind', async (t) => {
    const source =
      'def f():\n  import datetime, decimal, collections, enum, fractions\n  return [1.5, "é", b"\\0", (1,), {2}, None, True, 10**40, bytearray(b"x"), datetime.date(2026, 1, 2), decimal.Decimal("1.1"), collections.OrderedDict(a=1), fractions.Fraction(1, 3), int, len, datetime.date, complex(1, 2), range(3), Ellipsis]'
    const [fn, args] = await server.pickles.dump(source)
    const events = await all(server.broker.call(fn, args))
    t.equal(
      await server.pickles.load(events[0]!.payload, 'repr(event["data"])'),
      "[1.5, 'é', b'\\x00', (1,), {2}, None, True, 10000000000000000000000000000000000000000, bytearray(b'x'), datetime.date(2026, 1, 2), Decimal('1.1'), OrderedDict({'a': 1}), Fraction(1, 3), <class 'int'>, <built-in function len>, <class 'datetime.date'>, (1+2j), range(0, 3), Ellipsis]".replace(
        "OrderedDict({'a': 1})",
        "OrderedDict([('a', 1)])",
      ),
    )
  })

  t.test('many calls at once', async (t) => {
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, i) => server.run('def f(i):\n  print(i)\n  return i', `(${i},)`)),
    )
    t.strictSame(
      outcomes.map(({ result, stdout }) => [result, stdout]),
      Array.from({ length: 12 }, (_, i) => [i, `${i}\n`]),
    )
  })
})

t.test('large frames', async (t) => {
  const server = await ServerCalls.start({ settings: { maxResultBytes: 40_000_000 } })
  t.teardown(() => server.close())

  t.test('a streamed call and a streamed event keep every byte', async (t) => {
    const [fn, args] = await server.pickles.dump(
      'def f(data): return data',
      'f',
      '(bytes(range(256)) * 100000,)',
    )
    const events = await all(server.broker.streamedCall(fn, args))
    t.equal(
      await server.pickles.load(events[0]!.payload, 'event["data"] == bytes(range(256)) * 100000'),
      true,
    )
  })

  t.test('more than maxResultBytes is an error, for results and for yields', async (t) => {
    for (const source of ['def f(): return bytes(40_000_001)', 'def f(): yield "x" * 40_000_001'])
      t.match((await server.run(source)).error?.message, /more than 40000000 bytes.*\[result_too_large\]/)
    t.match(
      (await server.run('def f(): return [lambda: 1, bytes(40_000_001)]')).error?.message,
      '[result_too_large]',
    )
  })

  t.test(
    'a process that dies in the middle of a large event: the event is filled up, then the error',
    async (t) => {
      const source = `
def f():
    import os, threading, time
    def later():
        time.sleep(0.3)
        os._exit(9)
    threading.Thread(target=later).start()
    class Slow:
        def __reduce__(self):
            return (str, ("x",))
    yield b"x" * 30_000_000
    yield 1
    time.sleep(10)
`
      const [fn, args] = await server.pickles.dump(source)
      const events = await all(server.broker.call(fn, args))
      t.match(await server.pickles.load(events.at(-1)!.payload, 'event["message"]'), 'exit code 9')
    },
  )
})
