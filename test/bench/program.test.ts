import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'

const bench = join(import.meta.dirname, '..', '..', 'bench')

t.test('a bench that fails where nobody catches it ends what it has started', async (t) => {
  const script = `
    import { startChild } from '${bench}/child.ts'
    import { runProgram } from '${bench}/program.ts'
    await runProgram(async () => {
      const child = startChild(process.execPath, ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'])
      console.log(await child.next())
      setImmediate(() => { throw new Error('unforeseen') })
      await child.next()
    })`
  const program = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { out: '', err: '' }
  program.stdout.on('data', (data) => {
    output.out += data
  })
  program.stderr.on('data', (data) => {
    output.err += data
  })
  const [code] = await once(program, 'close')
  t.not(code, 0)
  t.match(output.err, /unforeseen/)
  t.match(output.out, /^\d+\n$/)
  // Another process' child: its end can only be looked for.
  while (isRunning(Number(output.out))) await pause(20)
  t.notOk(isRunning(Number(output.out)))
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
