import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { startTime } from '../../proxy/cluster/local/processes.ts'

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
  // Another process' child: its end can only be looked for. It may stay a zombie.
  while ((await startTime(Number(output.out))) !== undefined) await pause(20)
})
