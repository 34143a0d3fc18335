import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Stands in for the agent where a test needs what the real one never does: its first argument says what. */
const [behaviour] = process.argv.slice(2)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

process.stdin.on('end', () => process.exit(0)).resume()
switch (behaviour) {
  case 'crash':
    process.stderr.write('out of luck\n')
    process.exit(3)
    break
  case 'crash-when-ready':
    say({ event: 'state', state: 'ready', message: '' })
    process.exit(3)
    break
  case 'slow-farewell':
    say({ event: 'state', state: 'failed', message: 'a reason', code: 'install_failed' })
    // For its worker, which ends then, as the real one does by itself.
    writeFileSync(join(process.env.TMPDIR!, 'tmp/said'), '')
    break
  case 'stubborn':
    process.on('SIGTERM', () => undefined)
    say({ event: 'state', state: 'ready', message: '' })
    break
  case 'chatty': {
    say({ event: 'state', state: 'ready', message: '' })
    for (let number = 0; number < 20_000; number += 1) process.stdout.write(`line ${number}\n`)
    break
  }
  case 'environment':
    process.stdout.write(`${Object.keys(process.env).sort().join(' ')}\n`)
    say({ event: 'state', state: 'ready', message: '' })
    break
  case 'odd-lines':
    process.stdout.write('null\n[]\n{"event":"state"}\n{"event":"state","state":"root","message":"x"}\n')
    say({ event: 'state', state: 'failed', message: 'a reason', code: 'toString' })
    process.exit(1)
    break
  case 'idle':
    say({ event: 'state', state: 'ready', message: '' })
    say({ event: 'state', state: 'stopping', message: 'No call for 60 seconds.' })
    process.exit(0)
    break
  default:
    throw new TypeError(`no such behaviour: ${behaviour}`)
}
