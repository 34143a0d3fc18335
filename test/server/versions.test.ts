import t from 'tap'
import { findPythons } from '../../proxy/cluster/local/pythons.ts'
import { Pickles } from '../support/pickles.ts'
import { ServerCalls } from '../support/server-calls.ts'
import { sharedPython } from '../support/shared-python.ts'

/** Functions as users write them; each has something that differs between neighbouring versions. */
const FUNCTION = `
def f(n, scale=2):
    import math
    total = [math.floor(x) * scale for x in range(n) if x % 2 == 0]
    try:
        def inner(y):
            return {"n": n, "y": y}
        with open("/dev/null") as file:
            file.read()
        return [sum(total), inner(1)["y"]]
    except ValueError as error:
        return str(error)
`

const pythons = await findPythons(process.env)

for (const [version, interpreter] of Object.entries(pythons)) {
  t.test(`a worker with Python ${version}`, async (t) => {
    const server = await ServerCalls.start({ interpreter, settings: { python: version } })
    t.teardown(() => server.close())
    for (const [own, other] of Object.entries(pythons)) {
      const pickles = new Pickles(await sharedPython(other))
      t.teardown(() => pickles.close())
      const [fn, args] = await pickles.dump(FUNCTION, 'f', '(5,)')
      const { result, error } = await server.collect(server.broker.call(fn, args))
      if (own === version) {
        t.strictSame(result, [12, 1], 'runs its own')
        const generator = await pickles.dump(
          'def f():\n  k = [1]\n  def g():\n    yield k[0]\n  yield from g()',
        )
        t.strictSame((await server.collect(server.broker.call(...generator))).yields, [1])
        const coroutine = await pickles.dump('async def f(): return (lambda: 1)()')
        t.equal((await server.collect(server.broker.call(...coroutine))).result, 1)
        const { stdout, error: raised } = await server.collect(
          server.broker.call(...(await pickles.dump('def f():\n  print("x")\n  raise ValueError("y")'))),
        )
        t.equal(stdout, 'x\n')
        t.match(raised?.message, 'ValueError: y (notebook.py, line 3, in f)')
      } else {
        t.match(
          error?.message,
          new RegExp(`made by Python .*, and this server runs Python ${version}.*\\[client_mismatch\\]`),
          own,
        )
      }
    }
  })
}
