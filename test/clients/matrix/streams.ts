import type { Test } from 'tap'
import { openDoorbell } from '../../support/doorbell.ts'
import type { Notebook } from '../../support/notebook.ts'

/** What a function writes and yields arrives while it runs: it waits for the test, which has seen it arrive. */
export async function testStreams(t: Test, alice: Notebook): Promise<void> {
  const bell = await openDoorbell(t)
  await alice.run(`
    @remote_func
    def speak(port):
        import os, socket, subprocess, sys
        bell = socket.create_connection(("127.0.0.1", port)).makefile("rw")
        def wait_until_seen():
            bell.write("said\\n")
            bell.flush()
            bell.readline()
        print("with print")
        wait_until_seen()
        print("to stderr", file=sys.stderr)
        wait_until_seen()
        sys.stdout.write("no newline")
        sys.stdout.flush()
        wait_until_seen()
        os.write(1, b"to the descriptor")
        wait_until_seen()
        subprocess.run(["echo", "from a program, grüße"])
        wait_until_seen()
        print("the end", end="")
  `)
  const call = alice.run(`speak(${bell.port})`)
  const ring = await bell.next(call)
  for (const [stream, text] of [
    [alice.stdout, 'with print\n'],
    [alice.stderr, 'to stderr\n'],
    [alice.stdout, 'no newline'],
    [alice.stdout, 'to the descriptor'],
    [alice.stdout, 'from a program, grüße\n'],
  ] as const) {
    await stream.until(new RegExp(text))
    t.pass(`${JSON.stringify(text)} arrives while the function runs`)
    ring.answer()
  }
  t.equal(await call, null)
  await alice.stdout.until(/the end$/)

  await alice.run(`
    @remote_func
    def count(limit, port):
        import socket
        bell = socket.create_connection(("127.0.0.1", port)).makefile("rw")
        bell.write("hello\\n")
        bell.flush()
        for number in range(limit):
            yield {"number": number}
            bell.readline()

    events = count._prepare_invocation(2, ${bell.port})
  `)
  const generator = await bell.next()
  const item = (number: number) => ({ type: 'DATA', channel: 'yield', data: { number } })
  t.match(await alice.run('next(events)'), item(0), 'an item arrives while the generator waits')
  generator.answer()
  t.match(await alice.run('next(events)'), item(1))
  generator.answer()
  t.equal((await alice.raises('next(events)')).name, 'StopIteration')
}
