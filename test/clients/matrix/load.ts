import type { Test } from 'tap'
import { openDoorbell } from '../../support/doorbell.ts'
import type { Notebook } from '../../support/notebook.ts'

const THREADS = 20
/** Calls that a server runs at once, unless it is asked for more. */
const CONCURRENCY = 4

/** Large arguments and results, and many calls at once. */
export async function testLoad(t: Test, alice: Notebook): Promise<void> {
  await alice.run(`
    import os
    data = os.urandom(64 * 1024 * 1024)
    back = remote_func(lambda data: data[::-1])(data)
  `)
  t.same(
    await alice.run('[len(back), back[::-1] == data]'),
    [64 * 1024 * 1024, true],
    '64 MiB there and back',
  )
  await alice.run('del data, back')

  const bell = await openDoorbell(t)
  await alice.run(`
    from concurrent.futures import ThreadPoolExecutor

    @remote_func
    def square(number, port):
        import socket
        with socket.create_connection(("127.0.0.1", port)) as bell:
            bell.sendall(b"%d\\n" % number)
            bell.makefile().readline()
        print("square of %d" % number)
        return number * number
  `)
  const calls = alice.run<number[]>(`
    with ThreadPoolExecutor(${THREADS}) as pool:
        squares = list(pool.map(lambda number: square(number, ${bell.port}), range(${THREADS})))
    squares
  `)
  const rings = [...Array(CONCURRENCY)].map(() => bell.next())
  for (const ring of await Promise.all(rings)) ring.answer()
  t.pass(`${CONCURRENCY} of them run at the same time`)
  for (let left = THREADS - CONCURRENCY; left > 0; left -= 1) (await bell.next()).answer()
  t.same(
    await calls,
    [...Array(THREADS).keys()].map((number) => number * number),
    `${THREADS} threads get their own results`,
  )
  for (const number of Array(THREADS).keys()) await alice.stdout.until(new RegExp(`square of ${number}\\n`))
}
