import type { Test } from 'tap'
import { openDoorbell } from '../../support/doorbell.ts'
import type { Notebook } from '../../support/notebook.ts'

/** Runs for ever, in two processes that hold the connection to the test's doorbell. */
export const FOREVER = `
  @remote_func
  def forever(port):
      import os, socket, subprocess, time
      bell = socket.create_connection(("127.0.0.1", port))
      subprocess.Popen(["sleep", "1000"], pass_fds=[bell.fileno()])
      bell.sendall(b"%d\\n" % os.getpid())
      print("rung", port, flush=True)
      while True:
          time.sleep(1)
`

/** Ctrl-C in the notebook ends the function's processes over there; nothing else. */
export async function testInterrupt(t: Test, alice: Notebook): Promise<void> {
  const bell = await openDoorbell(t)
  await alice.run(FOREVER)
  const call = alice.raises(`forever(${bell.port})`)
  const ring = await bell.next(call)
  // As a user does, who sees that it runs: by then the client waits, and takes Ctrl-C for one to pass on.
  await alice.stdout.until(new RegExp(`rung ${bell.port}\\n`))
  alice.interrupt()
  t.equal((await call).name, 'KeyboardInterrupt')
  await ring.gone
  t.pass('the function and the program that it started are gone')
  t.equal(await alice.run('remote_func(lambda: 42)()'), 42, 'the server goes on')
}
