import type { Test } from 'tap'
import type { Notebook } from '../../support/notebook.ts'

/** Functions that fail, and what the RuntimeError says; after each of them the server goes on. */
const FAILURES: [title: string, callee: string, args: string, message: RegExp][] = [
  ['an exception', 'lambda: [][3]', '', /IndexError: list index out of range/],
  ['an exception of a class of the notebook', 'raise_refusal', '7', /Refusal: code 7/],
  ['a module that is not there', 'lambda: __import__("nowhere")', '', /ModuleNotFoundError: .*nowhere/],
  ['too few arguments', 'lambda a: a', '', /TypeError: .*missing 1 required positional argument/],
  ['sys.exit', 'lambda: __import__("sys").exit("enough")', '', /SystemExit|enough/],
  ['os._exit', 'lambda code: __import__("os")._exit(code)', '3', /exit code 3.*\[worker_died\]/],
  [
    'a segmentation fault',
    'lambda signal: __import__("os").kill(__import__("os").getpid(), signal)',
    '11',
    /SIGSEGV.*\[worker_died\]/,
  ],
  ['a result that cannot be pickled', 'lambda: __import__("sys")._getframe()', '', /\[result_unpicklable\]/],
]

export async function testErrors(t: Test, alice: Notebook): Promise<void> {
  await alice.run(`
    class Refusal(Exception):
        pass

    def make_raiser(Refusal):
        def raise_refusal(code):
            raise Refusal("code %d" % code)
        return raise_refusal

    raise_refusal = make_raiser(Refusal)
  `)
  for (const [title, callee, args, message] of FAILURES) {
    const error = await alice.raises(`remote_func(${callee})(${args})`)
    t.match(error, { name: 'RuntimeError', message }, title)
    t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'and the next call works')
  }
}
