import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { workerCommand } from '../../common/worker-command.ts'

/** Runs the command against an agent that does `serve` with its connection. */
async function run(t: Test, serve: (link: Socket) => void, listen: 'first' | 'later' = 'first') {
  // Not t.testdir(): the path of a socket must be short.
  const folder = await mkdtemp(join(tmpdir(), 'worker-command-'))
  const path = join(folder, 'agent.sock')
  const agent = createServer((link) => serve(link.on('error', () => undefined)))
  if (listen === 'first') await listening(agent, path)
  const [python, ...args] = workerCommand('python3', path)
  const child = spawn(python!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => {
    child.kill('SIGKILL')
    agent.close()
    return rm(folder, { recursive: true })
  })
  if (listen === 'later') await once(child, 'spawn').then(() => listening(agent, path))
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  return { stdout, stderr, code }
}

async function listening(agent: Server, path: string): Promise<void> {
  await once(agent.listen(path), 'listening')
}

/** Sends a program as the agent does, in pieces of `size` bytes. */
function program(source: string, size = 1 << 20) {
  return (link: Socket) => {
    link.once('data', async (asked) => {
      if (asked.toString() !== 'W') return link.destroy()
      const body = Buffer.from(source)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(body.length)
      const all = Buffer.concat([length, body])
      for (let at = 0; at < all.length; at += size) {
        link.write(all.subarray(at, at + size))
        await new Promise(setImmediate)
      }
    })
  }
}

t.test('the command becomes the program that the agent sends', async (t) => {
  const source = 'import sys\nprint("é", __name__, len(sys.argv), BOOTSTRAP.strip()[:13])\nsys.exit(7)'
  t.match(await run(t, program(source)), { stdout: 'é rexec_worker 2 import signal\n', code: 7 })
})

t.test('a program in small pieces, and a large one, arrive whole', async (t) => {
  t.match(await run(t, program('print("x" * 3)', 1)), { stdout: 'xxx\n', code: 0 })
  const large = `x = "${'y'.repeat(1 << 20)}"\nprint(len(x))`
  t.match(await run(t, program(large)), { stdout: `${1 << 20}\n`, code: 0 })
})

t.test('an agent that comes later is waited for', async (t) => {
  t.match(await run(t, program('print("late")'), 'later'), { stdout: 'late\n', code: 0 })
})

t.test('a failing program shows where it failed', async (t) => {
  const { stderr, code } = await run(t, program('def f():\n    raise ValueError("no")\nf()'))
  t.match(stderr, /File "rexec-worker.py", line 2, in f[\s\S]*ValueError: no/)
  t.equal(code, 1)
})
