import type { Test } from 'tap'
import type { Notebook } from '../../support/notebook.ts'

/** Expressions of functions and their arguments: each must return over there what it returns here. */
const CALLS = [
  'lambda: None',
  'lambda: -(10 ** 400)',
  'lambda: [float("inf"), -0.5, 1e-300, 3 + 4j]',
  'lambda: "Grüße \\u2603 \\U0001f600 \\x00 \\ud800"',
  'lambda: [b"", bytes(range(256)), bytearray(b"ab")]',
  'lambda: list(range(100_000))',
  'lambda: {"a": [1, {"b": (2, 3)}], None: {4}, (5, 6): frozenset([7])}',
  'lambda: __import__("datetime").datetime(2026, 2, 28, 23, 59, 59, 999999)',
  'lambda: [__import__("decimal").Decimal("0.1"), __import__("fractions").Fraction(1, 3), range(3), ...]',
  'lambda: ("END", {"type": "END"}, {"type": "ERROR", "message": "not one"})',
  '(lambda a, b, *rest: [a, b, rest]), 1, "two", [3], {"four": 4}',
  '(lambda f, items: [f(item) for item in items]), (lambda x: x * x), [1, 2, 3]',
  'make_counter(5), 10',
  'factorial, 50',
]

/** Arguments and return values of many kinds; a server with any environment must be there. */
export async function testValues(t: Test, alice: Notebook): Promise<void> {
  await alice.run(`
    def make_counter(start):
        step = 2
        def count(times):
            return [start + step * n for n in range(times)]
        return count

    def factorial(n):
        def down(n):
            return 1 if n < 2 else n * down(n - 1)
        return down(n)

    def same(function, *args):
        there, here = remote_func(function)(*args), function(*args)
        return there == here and type(there) is type(here)
  `)
  for (const call of CALLS) t.ok(await alice.run(`same(${call})`), call)

  await alice.run(`
    class Point:
        def __init__(self, x, y):
            self.x, self.y = x, y
        def norm(self):
            return (self.x ** 2 + self.y ** 2) ** 0.5

    @remote_func
    def double(point):
        point.x *= 2
        return point
  `)
  t.equal(await alice.run('double(Point(1.5, 4)).norm()'), 5, 'an object of a class of the notebook')
  t.equal(await alice.run('remote_func(lambda n: lambda x: x + n)(3)(4)'), 7, 'a function comes back')
  t.equal(
    await alice.run('str(remote_func(lambda: ValueError("a value"))())'),
    'a value',
    'an exception that is returned is a value',
  )
}
